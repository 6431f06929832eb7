#include <array>
#include <cstdio>

#include "shared/base/status.h"
#include "shared/protojson/protojson.h"

namespace aurora::protojson {
namespace {

constexpr int64_t kMin = -62135596800;  // 0001-01-01T00:00:00Z
constexpr int64_t kMax = 253402300799;  // 9999-12-31T23:59:59Z

// Days since 1970-01-01 of a proleptic Gregorian date (Howard Hinnant's days_from_civil).
int64_t DaysFromCivil(int64_t year, int month, int day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t of_era = year - era * 400;
  const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

struct Civil {
  int64_t year;
  int month;
  int day;
};

Civil CivilFromDays(int64_t days) {
  days += 719468;
  const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const int64_t of_era = days - era * 146097;
  const int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  const int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
  const int64_t shifted = (5 * of_year + 2) / 153;
  const int day = static_cast<int>(of_year - (153 * shifted + 2) / 5 + 1);
  const int month = static_cast<int>(shifted + (shifted < 10 ? 3 : -9));
  return {year + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

// Exactly `digits` digits off the front; -1 when they are not there.
int TakeDigits(std::string_view& text, size_t digits) {
  if (text.size() < digits) {
    return -1;
  }
  int value = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') {
      return -1;
    }
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool Take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text[0]) == std::string_view::npos) {
    return false;
  }
  text.remove_prefix(1);
  return true;
}

int DaysIn(int64_t year, int month) {
  constexpr std::array<int, 13> kDays = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[static_cast<size_t>(month)];
}

// ".5" -> 500000000; leaves what is not part of it.
bool TakeFraction(std::string_view& text, int32_t* nanos) {
  int digits = 0;
  int32_t value = 0;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9' && digits < 9) {
    value = value * 10 + (text[0] - '0');
    text.remove_prefix(1);
    ++digits;
  }
  for (int i = digits; i < 9; ++i) {
    value *= 10;
  }
  *nanos = value;
  return digits > 0;
}

bool TakeOffset(std::string_view& text, int64_t* seconds) {
  if (Take(text, "Zz")) {
    *seconds = 0;
    return true;
  }
  const bool east = !text.empty() && text[0] == '+';
  if (!Take(text, "+-")) {
    return false;
  }
  const int hours = TakeDigits(text, 2);
  const bool colon = Take(text, ":");
  const int minutes = TakeDigits(text, 2);
  *seconds = (east ? 1 : -1) * (int64_t{hours} * 3600 + int64_t{minutes} * 60);
  return hours >= 0 && hours < 24 && colon && minutes >= 0 && minutes < 60;
}

}  // namespace

std::string FormatTime(int64_t seconds, int32_t nanos) {
  const int64_t days = (seconds >= 0 ? seconds : seconds - 86399) / 86400;
  const int of_day = static_cast<int>(seconds - days * 86400);
  const Civil date = CivilFromDays(days);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04lld-%02d-%02dT%02d:%02d:%02d",
                static_cast<long long>(date.year), date.month, date.day, of_day / 3600,
                of_day / 60 % 60, of_day % 60);
  std::string out = text.data();
  if (nanos > 0) {
    std::snprintf(text.data(), text.size(), ".%09d", nanos);
    std::string fraction = text.data();
    while (fraction.ends_with("000")) {
      fraction.resize(fraction.size() - 3);
    }
    out += fraction;
  }
  return out + "Z";
}

absl::StatusOr<Time> ParseTime(std::string_view text) {
  const absl::Status bad =
      InvalidArgument("want an RFC 3339 time such as \"2026-07-28T10:00:00Z\"");
  const int year = TakeDigits(text, 4);
  bool good = Take(text, "-");
  const int month = TakeDigits(text, 2);
  good = Take(text, "-") && good;
  const int day = TakeDigits(text, 2);
  good = Take(text, "Tt ") && good;
  const int hour = TakeDigits(text, 2);
  good = Take(text, ":") && good;
  const int minute = TakeDigits(text, 2);
  good = Take(text, ":") && good;
  const int second = TakeDigits(text, 2);
  Time out;
  if (good && Take(text, ".")) {
    good = TakeFraction(text, &out.nanos);
  }
  int64_t offset = 0;
  good = good && TakeOffset(text, &offset) && text.empty();
  if (!good || year < 1 || month < 1 || month > 12 || day < 1 || day > DaysIn(year, month) ||
      hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) {
    return bad;
  }
  out.seconds =
      DaysFromCivil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
  if (out.seconds < kMin || out.seconds > kMax) {
    return bad;
  }
  return out;
}

}  // namespace aurora::protojson
