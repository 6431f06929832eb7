#include "shared/config/value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <limits>
#include <numeric>
#include <utility>

namespace aurora::config {
namespace {

using Unit = std::pair<std::string_view, int64_t>;

// Longer names first: "ms" must not be read as "m".
constexpr std::array<Unit, 6> kDurations = {{{"ms", 1000},
                                             {"us", 1},
                                             {"s", 1'000'000},
                                             {"m", 60'000'000},
                                             {"h", 3'600'000'000},
                                             {"d", 86'400'000'000}}};
constexpr std::array<Unit, 4> kSizes = {
    {{"KiB", 1LL << 10}, {"MiB", 1LL << 20}, {"GiB", 1LL << 30}, {"TiB", 1LL << 40}}};

std::optional<int64_t> Scale(int64_t count, int64_t unit) {
  int64_t out = 0;
  if (__builtin_mul_overflow(count, unit, &out)) {
    return std::nullopt;
  }
  return out;
}

// Takes digits off the front; nullopt when there are none or too many.
std::optional<int64_t> TakeNumber(std::string_view& text) {
  int64_t value = 0;
  if (text.empty() || text[0] < '0' || text[0] > '9') {
    return std::nullopt;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) {
    return std::nullopt;
  }
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

template <size_t N>
const Unit* TakeUnit(std::string_view& text, const std::array<Unit, N>& units) {
  for (const Unit& unit : units) {
    if (text.starts_with(unit.first)) {
      text.remove_prefix(unit.first.size());
      return &unit;
    }
  }
  return nullptr;
}

}  // namespace

std::optional<Duration> ParseDuration(std::string_view text) {
  if (text == "0") {
    return Duration();
  }
  int64_t total = 0;
  if (text.empty()) {
    return std::nullopt;
  }
  while (!text.empty()) {
    const std::optional<int64_t> count = TakeNumber(text);
    const Unit* unit = count.has_value() ? TakeUnit(text, kDurations) : nullptr;
    if (unit == nullptr) {
      return std::nullopt;
    }
    const std::optional<int64_t> part = Scale(*count, unit->second);
    if (!part.has_value() || __builtin_add_overflow(total, *part, &total)) {
      return std::nullopt;
    }
  }
  // Beyond Duration::Max sums with an Instant would overflow.
  return total > Duration::Max().micros() ? std::nullopt : std::optional(Duration::Micros(total));
}

std::string FormatDuration(Duration value) {
  for (const char* name : {"d", "h", "m", "s", "ms"}) {
    for (const Unit& unit : kDurations) {
      if (unit.first == name && value.micros() >= unit.second &&
          value.micros() % unit.second == 0) {
        return std::to_string(value.micros() / unit.second) + name;
      }
    }
  }
  return value.micros() == 0 ? "0s" : std::to_string(value.micros()) + "us";
}

std::optional<int64_t> ParseBytes(std::string_view text) {
  const std::optional<int64_t> count = TakeNumber(text);
  if (!count.has_value() || text.empty()) {
    return count;
  }
  const Unit* unit = TakeUnit(text, kSizes);
  return unit == nullptr || !text.empty() ? std::nullopt : Scale(*count, unit->second);
}

std::optional<int64_t> ParseInt(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::optional<bool> ParseBool(std::string_view text) {
  if (text == "true" || text == "1") {
    return true;
  }
  if (text == "false" || text == "0") {
    return false;
  }
  return std::nullopt;
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view part = Trim(text.substr(0, comma));
    if (!part.empty()) {
      out.emplace_back(part);
    }
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return out;
}

size_t EditDistance(std::string_view a, std::string_view b, size_t limit) {
  const size_t apart = a.size() > b.size() ? a.size() - b.size() : b.size() - a.size();
  if (apart > limit) {
    return limit + 1;
  }
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t swap = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({swap, row[j] + 1, row[j - 1] + 1});
    }
  }
  return std::min(row[b.size()], limit + 1);
}

std::string Nearest(std::string_view name, const std::vector<std::string>& candidates) {
  // A name from a file may be megabytes long; no key is.
  if (name.size() > 200) {
    return "";
  }
  size_t best = std::max<size_t>(2, name.size() / 3) + 1;
  std::string nearest;
  for (const std::string& candidate : candidates) {
    const size_t distance = EditDistance(name, candidate, best - 1);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string Quoted(std::string_view text) {
  constexpr size_t kLongest = 80;
  std::string out = "\"";
  for (const char c : text.substr(0, kLongest)) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      std::array<char, 5> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\x%02x", static_cast<unsigned>(c) & 0xffU);
      out += escaped.data();
    } else {
      out += c;
    }
  }
  out += text.size() > kLongest ? "…\"" : "\"";
  return out;
}

}  // namespace aurora::config
