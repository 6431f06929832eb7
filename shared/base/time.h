// Instant and Duration: the only time types in cores. Monotonic microseconds since an arbitrary
// start. Source: ours. Thread: values. Units: microseconds, signed 64 bit (292 000 years). Nobody
// in a core reads a clock: drivers pass `now`.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace aurora {

class Duration {
 public:
  constexpr Duration() = default;
  static constexpr Duration Micros(int64_t v) { return Duration(v); }
  static constexpr Duration Millis(int64_t v) { return Duration(v * 1000); }
  static constexpr Duration Seconds(int64_t v) { return Duration(v * 1'000'000); }
  static constexpr Duration Max() { return Duration(std::numeric_limits<int64_t>::max() / 4); }

  constexpr int64_t micros() const { return us_; }
  constexpr int64_t millis() const { return us_ / 1000; }
  constexpr double seconds() const { return static_cast<double>(us_) / 1e6; }

  constexpr auto operator<=>(const Duration&) const = default;
  constexpr Duration operator+(Duration o) const { return Duration(us_ + o.us_); }
  constexpr Duration operator-(Duration o) const { return Duration(us_ - o.us_); }
  constexpr Duration operator*(int64_t k) const { return Duration(us_ * k); }
  constexpr Duration operator/(int64_t k) const { return Duration(us_ / k); }

 private:
  explicit constexpr Duration(int64_t us) : us_(us) {}
  int64_t us_ = 0;
};

class Instant {
 public:
  constexpr Instant() = default;
  static constexpr Instant FromMicros(int64_t us) { return Instant(us); }
  static constexpr Instant Never() { return Instant(std::numeric_limits<int64_t>::max()); }

  constexpr int64_t micros() const { return us_; }

  constexpr auto operator<=>(const Instant&) const = default;
  // Never stays never: a deadline of "never" plus anything is still never.
  constexpr Instant operator+(Duration d) const {
    return us_ == std::numeric_limits<int64_t>::max() ? *this : Instant(us_ + d.micros());
  }
  constexpr Instant operator-(Duration d) const { return Instant(us_ - d.micros()); }
  constexpr Duration operator-(Instant o) const { return Duration::Micros(us_ - o.us_); }

 private:
  explicit constexpr Instant(int64_t us) : us_(us) {}
  int64_t us_ = 0;
};

}  // namespace aurora
