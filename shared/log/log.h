// log: one line per event on stderr, JSON or logfmt, written by a thread of its own.
// Source: ours. Thread: every function may be called from any thread and never waits for the file:
// a line goes into a bounded ring (kRingLines) under a lock held for a pointer swap; when the ring
// is full the line is dropped and counted, and the writer reports the number. Before Start and
// after Stop lines are written by the caller. Units: times RFC 3339 UTC with microseconds. Bounds:
// a line is cut at kMaxLineBytes. Errors: a failed write to stderr is counted as dropped. Secrets:
// there is no field of crypto::Secret; text under a key that names a secret (api_key,
// authorization, token, password, secret, master_key, ...) is printed as "****".
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "shared/base/time.h"
#include "shared/crypto/secret.h"

namespace aurora::log {

enum class Level { kDebug = 0, kInfo = 1, kWarn = 2, kError = 3 };
enum class Format { kJson, kText };

inline constexpr size_t kRingLines = 8192;
inline constexpr size_t kMaxLineBytes = 16384;

// A key and a value that live for the call. Key: snake_case.
class Field {
 public:
  enum class Kind { kText, kInt, kUint, kDouble, kBool };
  Field(std::string_view key, std::string_view value)
      : key_(key), kind_(Kind::kText), text_(value) {}
  Field(std::string_view key, const std::string& value) : Field(key, std::string_view(value)) {}
  Field(std::string_view key, const char* value) : Field(key, std::string_view(value)) {}
  Field(std::string_view key, bool value) : key_(key), kind_(Kind::kBool), int_(value ? 1 : 0) {}
  Field(std::string_view key, double value) : key_(key), kind_(Kind::kDouble), double_(value) {}
  // Printed as seconds.
  Field(std::string_view key, Duration value) : Field(key, value.seconds()) {}
  // Printed as its message ("ok" when it is).
  Field(std::string_view key, const absl::Status& status)
      : key_(key),
        kind_(Kind::kText),
        text_(status.ok() ? std::string_view("ok") : Message(status)) {}
  template <class T, std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>, int> = 0>
  Field(std::string_view key, T value)
      : key_(key),
        kind_(std::is_signed_v<T> ? Kind::kInt : Kind::kUint),
        int_(static_cast<int64_t>(value)) {}
  Field(std::string_view key, const crypto::Secret& secret) = delete;

  std::string_view key() const { return key_; }
  Kind kind() const { return kind_; }
  std::string_view text() const { return text_; }
  int64_t int_value() const { return int_; }
  double double_value() const { return double_; }

 private:
  static std::string_view Message(const absl::Status& status) {
    return {status.message().data(), status.message().size()};
  }
  std::string_view key_;
  Kind kind_;
  std::string_view text_;
  int64_t int_ = 0;
  double double_ = 0;
};

using Fields = std::initializer_list<Field>;

struct Options {
  Level level = Level::kInfo;
  Format format = Format::kJson;
  std::string component;  // "dataplane", "controlplane": on every line
  std::string node_id;    // on every line unless empty
  // Where lines (with their newline) go; false = lost. Empty = stderr.
  std::function<bool(std::string_view)> sink;
};

// Starts the writer thread. Once per process; tests may Stop and Start again.
void Start(Options options);
// Writes what the ring holds and ends the thread.
void Stop();
// Waits until every line logged before is written (before an exit or an abort).
void Flush();

void SetLevel(Level level);
bool Enabled(Level level);
// Lines lost to a full ring or a failed write since the process began.
uint64_t Dropped();

void Write(Level level, std::string_view message, Fields fields);
inline void Debug(std::string_view message, Fields fields = {}) {
  Write(Level::kDebug, message, fields);
}
inline void Info(std::string_view message, Fields fields = {}) {
  Write(Level::kInfo, message, fields);
}
inline void Warn(std::string_view message, Fields fields = {}) {
  Write(Level::kWarn, message, fields);
}
inline void Error(std::string_view message, Fields fields = {}) {
  Write(Level::kError, message, fields);
}

// One line without its newline, for tests and other sinks. `unix_micros` is the wall clock.
std::string FormatLine(const Options& options, Level level, int64_t unix_micros,
                       std::string_view message, Fields fields);

}  // namespace aurora::log
