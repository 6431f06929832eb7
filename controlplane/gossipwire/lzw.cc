#include "controlplane/gossipwire/lzw.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "shared/base/status.h"

namespace aurora::gossipwire {
namespace {

constexpr uint32_t kClear = 256;
constexpr uint32_t kEnd = 257;
constexpr uint32_t kFirstWidth = 9;
constexpr uint32_t kLastWidth = 12;
constexpr uint32_t kMaxCode = (1u << kLastWidth) - 1;

class BitWriter {
 public:
  explicit BitWriter(std::string* out) : out_(out) {}
  void Put(uint32_t code, uint32_t width) {
    bits_ |= code << count_;
    count_ += width;
    while (count_ >= 8) {
      out_->push_back(static_cast<char>(bits_ & 0xff));
      bits_ >>= 8;
      count_ -= 8;
    }
  }
  void Flush() {
    if (count_ > 0) {
      out_->push_back(static_cast<char>(bits_ & 0xff));
    }
  }

 private:
  std::string* out_;
  uint32_t bits_ = 0;
  uint32_t count_ = 0;
};

// Which code stands for (code, next byte): open addressing, a quarter full at most.
class PairTable {
 public:
  PairTable() : slots_(kSlots) {}
  void Clear() { std::fill(slots_.begin(), slots_.end(), 0); }
  // 0: none (0 is a literal, never a pair's code).
  uint32_t Find(uint32_t pair) const {
    for (uint32_t at = Hash(pair);; at = (at + 1) % kSlots) {
      if (slots_[at] == 0 || slots_[at] >> kLastWidth == pair) {
        return slots_[at] & kMaxCode;
      }
    }
  }
  void Insert(uint32_t pair, uint32_t code) {
    uint32_t at = Hash(pair);
    while (slots_[at] != 0) {
      at = (at + 1) % kSlots;
    }
    slots_[at] = pair << kLastWidth | code;
  }

 private:
  static constexpr uint32_t kSlots = 1u << 14;
  static uint32_t Hash(uint32_t pair) { return (pair * 2654435761u) >> 18; }
  std::vector<uint32_t> slots_;
};

class LzwEncoder {
 public:
  explicit LzwEncoder(std::string* out) : bits_(out) { bits_.Put(kClear, width_); }

  void Run(std::string_view plain) {
    uint32_t code = static_cast<uint8_t>(plain[0]);
    for (const char c : plain.substr(1)) {
      const uint32_t byte = static_cast<uint8_t>(c);
      const uint32_t pair = code << 8 | byte;
      if (const uint32_t known = table_.Find(pair); known != 0) {
        code = known;
        continue;
      }
      bits_.Put(code, width_);
      code = byte;
      if (Step()) {
        table_.Insert(pair, high_);
      }
    }
    bits_.Put(code, width_);
    Step();
  }

  void Finish() {
    bits_.Put(kEnd, width_);
    bits_.Flush();
  }

 private:
  // After each data code. False: the table was full and begins anew.
  bool Step() {
    ++high_;
    if (high_ == overflow_) {
      ++width_;
      overflow_ <<= 1;
    }
    if (high_ != kMaxCode) {
      return true;
    }
    bits_.Put(kClear, width_);
    width_ = kFirstWidth;
    high_ = kEnd;
    overflow_ = 1u << kFirstWidth;
    table_.Clear();
    return false;
  }

  BitWriter bits_;
  PairTable table_;
  uint32_t width_ = kFirstWidth;
  uint32_t high_ = kEnd;
  uint32_t overflow_ = 1u << kFirstWidth;
};

// A table entry is the expansion of the code before it and one byte more. Both were written to the output in one piece,
// so an entry is a place in the output.
class Decoder {
 public:
  Decoder(std::string_view in, size_t limit) : in_(in), limit_(limit) {}

  absl::StatusOr<std::string> Run() {
    while (true) {
      uint32_t code = 0;
      if (!ReadCode(&code)) {
        return InvalidArgument("LZW: ends without its end code");
      }
      if (code == kEnd) {
        return std::move(out_);
      }
      if (code == kClear) {
        Reset();
        continue;
      }
      Piece piece{0, 0};
      if (!Expand(code, &piece)) {
        return InvalidArgument("LZW: a code that stands for nothing");
      }
      if (piece.size > limit_ - out_.size()) {
        return ResourceExhausted("LZW: more than " + std::to_string(limit_) + " bytes");
      }
      const Piece written{out_.size(), piece.size};
      Write(code, piece);
      Step(written);
    }
  }

 private:
  struct Piece {
    size_t at;
    size_t size;
  };

  bool ReadCode(uint32_t* code) {
    while (count_ < width_) {
      if (next_ == in_.size()) {
        return false;
      }
      bits_ |= static_cast<uint32_t>(static_cast<uint8_t>(in_[next_++])) << count_;
      count_ += 8;
    }
    *code = bits_ & ((1u << width_) - 1);
    bits_ >>= width_;
    count_ -= width_;
    return true;
  }

  void Reset() {
    width_ = kFirstWidth;
    high_ = kEnd;
    overflow_ = 1u << kFirstWidth;
    top_ = kEnd;
    previous_.size = 0;
  }

  // Where `code` was written before. A literal has no place yet.
  bool Expand(uint32_t code, Piece* piece) const {
    if (code < kClear) {
      *piece = {0, 1};
      return true;
    }
    if (code <= top_) {
      *piece = table_[code];
      return true;
    }
    // The code being defined right now: the previous piece and its own first byte.
    if (code == high_ && previous_.size > 0) {
      *piece = {previous_.at, previous_.size + 1};
      return true;
    }
    return false;
  }

  void Write(uint32_t code, const Piece& piece) {
    if (code < kClear) {
      out_.push_back(static_cast<char>(code));
      return;
    }
    // The code being defined reaches one byte into what is being written: its own first one.
    const size_t known = std::min(piece.size, out_.size() - piece.at);
    out_.append(out_, piece.at, known);
    if (known < piece.size) {
      out_.push_back(out_[piece.at]);
    }
  }

  void Step(const Piece& written) {
    if (previous_.size > 0) {
      table_[high_] = {previous_.at, previous_.size + 1};
      top_ = high_;
    }
    previous_ = written;
    ++high_;
    if (high_ < overflow_) {
      return;
    }
    if (width_ == kLastWidth) {
      // The table is full and stays as it is until a clear.
      previous_.size = 0;
      --high_;
    } else {
      ++width_;
      overflow_ <<= 1;
    }
  }

  std::string_view in_;
  size_t limit_;
  size_t next_ = 0;
  uint32_t bits_ = 0;
  uint32_t count_ = 0;
  uint32_t width_ = kFirstWidth;
  uint32_t high_ = kEnd;
  uint32_t overflow_ = 1u << kFirstWidth;
  uint32_t top_ = kEnd;  // the highest defined entry; below kEnd + 1 there is none
  Piece previous_{0, 0};
  std::array<Piece, kMaxCode + 1> table_{};
  std::string out_;
};

}  // namespace

std::string LzwEncode(std::string_view plain) {
  std::string out;
  LzwEncoder encoder(&out);
  if (!plain.empty()) {
    encoder.Run(plain);
  }
  encoder.Finish();
  return out;
}

absl::StatusOr<std::string> LzwDecode(std::string_view packed, size_t limit) {
  return Decoder(packed, limit).Run();
}

}  // namespace aurora::gossipwire
