// Frames of the Replicate stream as plain values: what aurora.v1.ReplicateFrame says, without protobuf.
// Source: replication.md section 2; docs/protocols/replication.md. Codec: controlplane/peers/replicate_codec.h.
// Thread: values. Pure. Units: `seq` is a place in the change feed of the node named, and starts at 1. Bounds: Check()
// and the constants here; a peer can make us hold nothing larger. Errors: Check() returns text. Always: a frame that
// passes Check() is safe to hand to Replicator::Receive.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace aurora::replication {

// The two lanes of a feed, each with its own cursor. kRevoke: rows with facts, sent first. kBulk: every row; only this
// one means complete [A6].
enum class Lane : uint8_t { kRevoke = 0, kBulk = 1 };
inline constexpr size_t kLanes = 2;
inline constexpr std::array<Lane, kLanes> kAllLanes = {Lane::kRevoke, Lane::kBulk};

template <class T>
struct PerLane {
  std::array<T, kLanes> values{};
  T& operator[](Lane lane) { return values[static_cast<size_t>(lane)]; }
  const T& operator[](Lane lane) const { return values[static_cast<size_t>(lane)]; }
  bool operator==(const PerLane&) const = default;
};

inline constexpr size_t kFrameBytesMax = 1U << 20;    // encoded, also what gRPC accepts
inline constexpr size_t kBulkBytesMax = 256U << 10;   // of the rows of a Rows frame, unless one row alone is larger
inline constexpr size_t kRowBytesMax = kFrameBytesMax - (16U << 10);  // a row that fits a frame
// Of WireRow::bytes() after a write: two that were made at once, and facts, still fit kRowBytesMax together.
inline constexpr size_t kWrittenBytesMax = 480U << 10;
inline constexpr size_t kFrameRowsMax = 4096;
inline constexpr size_t kHistoryMax = 64;
inline constexpr size_t kMembersMax = 256;
inline constexpr size_t kParkedMax = 64;       // more: parked_overflow
inline constexpr size_t kDigestEntriesMax = 8192;
inline constexpr size_t kRequestRowsMax = 1024;
inline constexpr size_t kKindMax = 64;         // bytes
inline constexpr size_t kRowIdMax = 1024;      // bytes
inline constexpr size_t kNodeIdMax = 128;      // bytes
inline constexpr size_t kClusterIdMax = 128;   // bytes
inline constexpr size_t kUidSize = 32;         // hexadecimal digits
inline constexpr uint64_t kSeqMax = uint64_t{1} << 62;

struct Member {
  std::string uid;
  std::string node_id;
  auto operator<=>(const Member&) const = default;
};

// Where one start of a control plane ended in its feed.
struct FeedEpoch {
  uint64_t epoch = 0;
  uint64_t last_seq = 0;
  bool operator==(const FeedEpoch&) const = default;
};

struct RowRef {
  std::string kind;
  std::string id;
  auto operator<=>(const RowRef&) const = default;
};

// A row as it travels and as it is stored: encoded aurora.v1.Row. The core never looks inside.
struct WireRow {
  std::string kind;
  std::string id;
  std::string row;
  size_t bytes() const { return kind.size() + id.size() + row.size() + 16; }
  bool operator==(const WireRow&) const = default;
};

struct Hello {
  std::string cluster_id;
  std::string node_uid;
  std::string node_id;
  std::string dialled_node_uid;    // empty: whoever is there
  std::vector<FeedEpoch> history;  // the running start last
  bool caught_up = false;
  std::vector<Member> members;
  uint32_t schema_min = 0;
  uint32_t schema_max = 0;
  bool operator==(const Hello&) const = default;
};

struct Cursor {
  uint64_t epoch = 0;  // the running one of the Hello answered
  PerLane<uint64_t> seq;
  // Of the Hello's history: a start of which more was read here than it says there was. 0: none.
  uint64_t rolled_back_epoch = 0;
  bool operator==(const Cursor&) const = default;
};

struct Rows {
  uint64_t epoch = 0;
  std::optional<Lane> lane;  // absent: the answer to a RowRequest, outside the feed
  uint64_t from_seq = 0;
  uint64_t to_seq = 0;
  std::vector<WireRow> rows;
  size_t bytes() const;
  bool operator==(const Rows&) const = default;
};

struct LaneAck {
  uint64_t durable = 0;
  int64_t enforced = -1;
  bool operator==(const LaneAck&) const = default;
};

struct Ack {
  uint64_t epoch = 0;  // of the feed that is acknowledged
  PerLane<LaneAck> lanes;
  bool serving = false;
  bool caught_up = false;
  std::vector<Member> members;
  std::vector<RowRef> parked;
  bool parked_overflow = false;
  uint64_t head = 0;  // of the sender's own feed
  bool resend = false;  // a frame was lost here: send again what follows `durable`
  bool operator==(const Ack&) const = default;
};

// Equal rows, and equal sets of rows, have equal ones on every node. Computed by the store (store/digest.h).
using DigestHash = std::array<uint64_t, 2>;
inline constexpr uint32_t kDigestBuckets = 256;

struct DigestEntry {
  std::string key;     // a kind, a bucket as three decimal digits, or a row id
  uint64_t count = 0;  // rows in it
  DigestHash hash{};
  bool operator==(const DigestEntry&) const = default;
};

enum class DigestLevel : uint8_t { kKinds = 1, kBuckets = 2, kRows = 3 };

struct Digest {
  DigestLevel level = DigestLevel::kKinds;
  std::string kind;     // kBuckets, kRows
  uint32_t bucket = 0;  // kRows
  std::vector<DigestEntry> entries;
  uint64_t round = 0;   // the one who began counts; answers repeat it
  bool operator==(const Digest&) const = default;
};

struct RowRequest {
  std::vector<RowRef> rows;
  bool operator==(const RowRequest&) const = default;
};

enum class CloseReason : uint8_t {
  kUnspecified,
  kBadFrame,
  kForeignCluster,
  kWrongNode,
  kIdle,        // nothing came for Config::silence
  kShutdown,
  kSuperseded,
  kLeaving,
};

// Last frame: why the sender goes. The driver sends it before it closes a stream, and closes when one came.
struct Bye {
  CloseReason reason = CloseReason::kUnspecified;
  std::string message;
  bool operator==(const Bye&) const = default;
};

using Frame = std::variant<Hello, Cursor, Rows, Ack, Digest, RowRequest, Bye>;

// Empty: within bounds. Else what is wrong, one line.
std::string Check(const Frame& frame);

}  // namespace aurora::replication
