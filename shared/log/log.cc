#include "shared/log/log.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

#include "shared/base/check.h"

namespace aurora::log {
namespace {

bool WriteToStderr(std::string_view lines) {
  while (!lines.empty()) {
    const ssize_t n = ::write(STDERR_FILENO, lines.data(), lines.size());
    if (n < 0 && errno != EINTR) {
      return false;
    }
    if (n > 0) {
      lines.remove_prefix(static_cast<size_t>(n));
    }
  }
  return true;
}

int64_t WallMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// The process's logger. Formatting happens on the caller's thread; the lock is held to move one
// string.
class Logger {
 public:
  void Start(Options options) {
    AURORA_CHECK(!writer_.joinable());
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      options_ = std::move(options);
      level_.store(options_.level, std::memory_order_relaxed);
      pending_.reserve(kRingLines);
      stopping_ = false;
      running_.store(true, std::memory_order_release);
    }
    writer_ = std::thread([this] { Run(); });
  }

  void Stop() {
    if (!writer_.joinable()) {
      return;
    }
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    work_.notify_one();
    writer_.join();
  }

  void Flush() {
    std::unique_lock<std::mutex> lock(mutex_);
    const uint64_t target = accepted_;
    work_.notify_one();
    drained_.wait(lock,
                  [&] { return written_ >= target || !running_.load(std::memory_order_relaxed); });
  }

  void Write(Level level, std::string_view message, Fields fields) {
    if (!Enabled(level)) {
      return;
    }
    // options_ changes only in Start, before running_ is published.
    if (!running_.load(std::memory_order_acquire)) {
      std::string line = FormatLine(Options{}, level, WallMicros(), message, fields) + "\n";
      Count(WriteToStderr(line), 1);
      return;
    }
    std::string line = FormatLine(options_, level, WallMicros(), message, fields) + "\n";
    bool wake = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (pending_.size() >= kRingLines) {
        ++dropped_unreported_;
        dropped_.fetch_add(1, std::memory_order_relaxed);
        return;
      }
      wake = pending_.empty();
      pending_.push_back(std::move(line));
      ++accepted_;
    }
    if (wake) {
      work_.notify_one();
    }
  }

  void SetLevel(Level level) { level_.store(level, std::memory_order_relaxed); }
  bool Enabled(Level level) const { return level >= level_.load(std::memory_order_relaxed); }
  uint64_t Dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  void Count(bool ok, uint64_t lines) {
    if (!ok) {
      dropped_.fetch_add(lines, std::memory_order_relaxed);
    }
  }

  void Run() {
    std::vector<std::string> batch;
    batch.reserve(kRingLines);
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      work_.wait(lock, [&] { return stopping_ || !pending_.empty(); });
      if (pending_.empty()) {
        break;
      }
      batch.swap(pending_);
      const uint64_t lost = std::exchange(dropped_unreported_, 0);
      lock.unlock();
      WriteBatch(batch, lost);
      lock.lock();
      written_ += batch.size();
      batch.clear();
      drained_.notify_all();
    }
    running_.store(false, std::memory_order_release);
    drained_.notify_all();
  }

  void WriteBatch(const std::vector<std::string>& batch, uint64_t lost) {
    std::string text;
    for (const std::string& line : batch) {
      text += line;
    }
    if (lost > 0) {
      text += FormatLine(options_, Level::kWarn, WallMicros(),
                         "log lines dropped, the log is written too slowly", {{"lines", lost}}) +
              "\n";
    }
    Count(options_.sink ? options_.sink(text) : WriteToStderr(text), batch.size());
  }

  Options options_;
  std::atomic<Level> level_{Level::kInfo};
  std::atomic<bool> running_{false};
  std::atomic<uint64_t> dropped_{0};
  std::thread writer_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable drained_;
  std::vector<std::string> pending_;
  uint64_t accepted_ = 0;
  uint64_t written_ = 0;
  uint64_t dropped_unreported_ = 0;
  bool stopping_ = false;
};

// Never destroyed: other threads may log while the process exits.
Logger& Global() {
  static Logger* const logger = new Logger;
  return *logger;
}

}  // namespace

void Start(Options options) {
  Global().Start(std::move(options));
}
void Stop() {
  Global().Stop();
}
void Flush() {
  Global().Flush();
}
void SetLevel(Level level) {
  Global().SetLevel(level);
}
bool Enabled(Level level) {
  return Global().Enabled(level);
}
uint64_t Dropped() {
  return Global().Dropped();
}
void Write(Level level, std::string_view message, Fields fields) {
  Global().Write(level, message, fields);
}

}  // namespace aurora::log
