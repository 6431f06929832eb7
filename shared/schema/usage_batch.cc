#include "shared/schema/usage_batch.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "shared/base/check.h"
#include "shared/base/status.h"

namespace aurora::schema {
namespace {

static_assert(std::endian::native == std::endian::little, "words are stored as they are in memory");

constexpr char kVersion = 1;
constexpr size_t kTextMax = 4096;
constexpr size_t kVarintMax = 10;
constexpr size_t kChecksumBytes = 8;

// The most varints that a row takes.
struct VarintCount {
  constexpr void Text(std::string_view) { ++count; }
  constexpr void Name(size_t, std::string_view) { count += 2; }
  constexpr void Number(int64_t) { ++count; }
  constexpr void End(const UsageRow&) { ++count; }
  size_t count = 1;  // of the id
};
constexpr size_t kVarints = [] {
  const UsageRow row;
  VarintCount varints;
  ForEachField(row, varints);
  return varints.count;
}();

uint64_t Word(const char* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

// One step is a bijection of the word and of the state, so no change within one word goes unseen.
uint64_t Mix(uint64_t state, uint64_t word) {
  return std::rotl((state ^ word) * 0x9e3779b97f4a7c15ULL, 29);
}

uint64_t Zigzag(int64_t n) {
  return (static_cast<uint64_t>(n) << 1) ^ static_cast<uint64_t>(n >> 63);
}
int64_t Unzigzag(uint64_t n) {
  return static_cast<int64_t>((n >> 1) ^ (~(n & 1) + 1));
}
// Ids and times of damaged clocks may be anything: wraps instead of overflowing.
int64_t Less(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}

size_t Hash(std::string_view s) {
  uint64_t first = 0;
  uint64_t last = 0;
  if (s.size() >= 8) {
    first = Word(s.data());
    last = Word(s.data() + s.size() - 8);
  } else if (!s.empty()) {
    std::memcpy(&first, s.data(), s.size());
  }
  return static_cast<size_t>(((first ^ std::rotl(last, 17) ^ s.size()) * 0x9e3779b97f4a7c15ULL) >> 59);
}

class Reader {
 public:
  Reader(std::string_view row, int64_t last_id, std::array<std::vector<std::string_view>, kUsageNames>& names)
      : at_(row.data()), end_(row.data() + row.size()), last_id_(last_id), names_(names) {}

  bool ok() const { return ok_; }

  void Id(int64_t& id) { id = Less(last_id_, -static_cast<int64_t>(Varint())); }
  void Number(int64_t& n) { n = Unzigzag(Varint()); }
  void Text(std::string_view& text) {
    const uint64_t size = Varint();
    if (size > static_cast<uint64_t>(end_ - at_)) {
      ok_ = false;
      return;
    }
    text = {at_, static_cast<size_t>(size)};
    at_ += size;
  }
  void Name(size_t field, std::string_view& name) {
    if (at_ == end_) {
      return;  // a field that the writer did not know yet
    }
    std::vector<std::string_view>& known = names_[field];
    const uint64_t number = Varint();
    if (number < known.size()) {
      name = known[static_cast<size_t>(number)];
      return;
    }
    ok_ = ok_ && number == known.size();
    Text(name);
    known.push_back(name);
  }
  void End(UsageRow& row) {
    const int64_t after = Unzigzag(Varint());
    row.started_at_us = Less(Less(row.id, row.latency_us), after);
  }

 private:
  uint64_t Varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) {
        ok_ = ok_ && shift == 0;
        return 0;
      }
      const auto byte = static_cast<uint8_t>(*at_++);
      value |= uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) {
        return value;
      }
    }
    ok_ = false;
    return 0;
  }

  const char* at_;
  const char* end_;
  const int64_t last_id_;
  std::array<std::vector<std::string_view>, kUsageNames>& names_;
  bool ok_ = true;
};

}  // namespace

uint64_t UsageBatchChecksum(std::string_view bytes) {
  uint64_t state = 0x2545f4914f6cdd1dULL ^ bytes.size();
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    state = Mix(state, Word(bytes.data() + i));
  }
  uint64_t rest = 0;
  if (i < bytes.size()) {
    std::memcpy(&rest, bytes.data() + i, bytes.size() - i);
  }
  return Mix(Mix(state, rest), 0);
}

struct UsageBatchEncoder::Writer {
  void Varint(uint64_t n) {
    while (n >= 0x80) {
      *at++ = static_cast<char>(n | 0x80);
      n >>= 7;
    }
    *at++ = static_cast<char>(n);
  }
  void Number(int64_t n) { Varint(Zigzag(n)); }
  void Text(std::string_view text) {
    text = text.substr(0, kTextMax);
    Varint(text.size());
    if (!text.empty()) {
      std::memcpy(at, text.data(), text.size());
      at += text.size();
    }
  }
  void Name(size_t field, std::string_view name) {
    Names& known = names[field];
    Slot& slot = known.slots[Hash(name)];
    if (slot.number < known.next && slot.name == name) {
      Varint(slot.number);
      return;
    }
    slot = {name, known.next};
    Varint(known.next++);
    Text(name);
  }
  void End(const UsageRow& row) { Number(Less(Less(row.id, row.latency_us), row.started_at_us)); }

  char* at;
  std::array<Names, kUsageNames>& names;
};

void UsageBatchEncoder::Clear() {
  if (data_.empty()) {
    data_.resize(4096);
  }
  data_[0] = kVersion;
  size_ = 1;
  count_ = 0;
  first_id_ = last_id_ = newest_start_us_ = 0;
  for (Names& names : names_) {
    names.next = 0;
    for (Slot& slot : names.slots) {
      slot = {{}, UINT32_MAX};
    }
  }
}

void UsageBatchEncoder::Add(const UsageRow& row) {
  const size_t texts = row.request_id.size() + row.auth_key_id.size() + row.user_path.size() +
                       row.endpoint.size() + row.provider.size() + row.model.size() +
                       row.outcome.size() + row.node_id.size();
  const size_t most = size_ + 2 + texts + kVarints * kVarintMax + kChecksumBytes;
  if (most > data_.size()) {
    data_.resize(2 * most);
  }
  char* const begin = data_.data() + size_;
  Writer writer{begin + 2, names_};
  writer.Varint(static_cast<uint64_t>(Less(row.id, last_id_)));
  ForEachField(row, writer);
  const auto length = static_cast<size_t>(writer.at - begin) - 2;
  AURORA_DCHECK(length <= UINT16_MAX);
  begin[0] = static_cast<char>(length & 0xff);
  begin[1] = static_cast<char>(length >> 8);
  size_ += length + 2;
  first_id_ = count_ == 0 ? row.id : first_id_;
  newest_start_us_ = count_ == 0 ? row.started_at_us : std::max(newest_start_us_, row.started_at_us);
  last_id_ = row.id;
  ++count_;
}

std::string_view UsageBatchEncoder::Finish() {
  const uint64_t sum = UsageBatchChecksum({data_.data(), size_});
  std::memcpy(data_.data() + size_, &sum, sizeof sum);
  return {data_.data(), size_ + sizeof sum};
}

absl::Status DecodeUsageBatch(std::string_view blob, std::vector<UsageRow>* rows) {
  rows->clear();
  if (blob.size() < 1 + kChecksumBytes) {
    return DataLoss("a usage batch is cut short");
  }
  std::string_view left = blob.substr(0, blob.size() - kChecksumBytes);
  if (UsageBatchChecksum(left) != Word(blob.data() + left.size())) {
    return DataLoss("a usage batch is damaged: its checksum is not that of its bytes");
  }
  if (left[0] != kVersion) {
    return DataLoss("a usage batch is of a version that this program does not know");
  }
  left.remove_prefix(1);
  std::array<std::vector<std::string_view>, kUsageNames> names;
  int64_t last_id = 0;
  while (left.size() >= 2) {
    const size_t length = static_cast<uint8_t>(left[0]) + 256U * static_cast<uint8_t>(left[1]);
    if (length > left.size() - 2) {
      break;
    }
    Reader reader(left.substr(2, length), last_id, names);
    UsageRow& row = rows->emplace_back();
    reader.Id(row.id);
    ForEachField(row, reader);
    if (!reader.ok()) {
      break;
    }
    last_id = row.id;
    left.remove_prefix(2 + length);
  }
  return left.empty() ? absl::OkStatus() : DataLoss("a usage batch is malformed");
}

}  // namespace aurora::schema
