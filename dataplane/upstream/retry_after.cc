#include <algorithm>
#include <array>

#include "dataplane/upstream/health.h"

namespace aurora::upstream {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

int Number(std::string_view s) {
  int v = 0;
  for (const char c : s) {
    if (!IsDigit(c)) {
      return -1;
    }
    v = v * 10 + (c - '0');
  }
  return v;
}

// Days since 1970-01-01 of a Gregorian date (Howard Hinnant's algorithm).
int64_t DaysFromCivil(int64_t y, int64_t m, int64_t d) {
  y -= m <= 2 ? 1 : 0;
  const int64_t era = y / 400;
  const int64_t yoe = y - era * 400;
  const int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  const int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + doe - 719468;
}

// "Sun, 06 Nov 1994 08:49:37 GMT"; -1 when it is not one.
int64_t ParseImfDate(std::string_view v) {
  if (v.size() != 29 || v[3] != ',' || v.substr(25) != " GMT" || v[19] != ':' || v[22] != ':') {
    return -1;
  }
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const size_t month = kMonths.find(v.substr(8, 3));
  const int day = Number(v.substr(5, 2));
  const int year = Number(v.substr(12, 4));
  const int hour = Number(v.substr(17, 2));
  const int minute = Number(v.substr(20, 2));
  const int second = Number(v.substr(23, 2));
  if (month == std::string_view::npos || month % 3 != 0 || day < 1 || year < 1970 || hour < 0 || minute < 0 ||
      second < 0) {
    return -1;
  }
  const int64_t days = DaysFromCivil(year, static_cast<int64_t>(month / 3) + 1, day);
  return days * 86400 + hour * 3600 + minute * 60 + second;
}

}  // namespace

Duration ParseRetryAfter(std::string_view value, int64_t unix_s, Duration fallback) {
  constexpr int64_t kMaxSeconds = 3600;
  if (value.empty()) {
    return fallback;
  }
  if (std::all_of(value.begin(), value.end(), IsDigit)) {
    return Duration::Seconds(value.size() > 5 ? kMaxSeconds : std::min<int64_t>(Number(value), kMaxSeconds));
  }
  const int64_t at = ParseImfDate(value);
  return at < 0 ? fallback : Duration::Seconds(std::clamp<int64_t>(at - unix_s, 0, kMaxSeconds));
}

}  // namespace aurora::upstream
