#include "controlplane/store/store.h"

#include <algorithm>
#include <span>
#include <utility>

#include "controlplane/store/row_codec.h"
#include "controlplane/store/store_thread.h"
#include "shared/base/status.h"

namespace aurora::store {
namespace {

// A lambda with a place for its result, and the callback that takes it.
template <class T, class Apply>
Item ItemWith(Apply apply, std::function<void(absl::StatusOr<T>)> done) {
  auto result = std::make_shared<T>();
  Item item;
  item.apply = [apply = std::move(apply), result](Writer& writer, uint64_t wall_ms) -> absl::Status {
    AURORA_ASSIGN_OR_RETURN(*result, apply(writer, wall_ms));
    return absl::OkStatus();
  };
  item.done = [result, done = std::move(done)](absl::Status status) {
    if (status.ok()) {
      done(std::move(*result));
    } else {
      done(std::move(status));
    }
  };
  return item;
}

}  // namespace

std::string_view StateName(State state) {
  switch (state) {
    case State::kOpening:
      return "opening";
    case State::kOpen:
      return "open";
    case State::kReplaced:
      return "replaced";
    case State::kCorrupt:
      return "corrupt";
    case State::kFailed:
      return "failed";
    case State::kStopped:
      return "stopped";
  }
  return "unknown";
}

// ---- Store ----

Store::Store(StoreOptions options) : thread_(std::make_unique<Thread>(std::move(options))) {}

Store::~Store() = default;

void Store::Submit(WriteRequest request, WriteCallback done) {
  thread_->Push(ItemWith<WriteResult>(
      [request = std::move(request), thread = thread_.get()](Writer& writer, uint64_t wall_ms) {
        absl::StatusOr<WriteResult> result = writer.Write(request, wall_ms);
        if (result.ok() && result->changed && result->entry.row.Urgent()) {
          thread->NoteUrgent(result->entry.seq);
        }
        return result;
      },
      std::move(done)));
}

namespace {

// A merge by slices: the rows of earlier slices may be committed before those of later ones; the cursor moves with the
// last.
struct MergeJob {
  std::vector<WireRow> rows;
  std::string peer_uid;
  std::optional<FeedRange> range;
  size_t slice = 0;
  std::vector<RemoteRow> decoded;
  size_t next = 0;
  bool begun = false;
  bool ended = false;
  MergeResult result;

  size_t Left() const {
    const size_t all = begun ? decoded.size() : rows.size();
    return ended ? 0 : std::max<size_t>(std::min(slice, all - next), 1);
  }

  absl::Status Apply(Writer& writer, uint64_t wall_ms) {
    if (!begun) {  // all of them before the first is merged: one that does not decode leaves no trace
      AURORA_ASSIGN_OR_RETURN(decoded, DecodeRows(rows));
      std::vector<WireRow>().swap(rows);
      begun = true;
    }
    const size_t count = std::min(slice, decoded.size() - next);
    AURORA_RETURN_IF_ERROR(writer.MergeRows(std::span(decoded).subspan(next, count), wall_ms, result));
    next += count;
    if (next < decoded.size()) {
      return absl::OkStatus();
    }
    ended = true;
    return writer.EndMerge(peer_uid, range, result);
  }
};

}  // namespace

void Store::Merge(std::vector<WireRow> rows, std::string peer_uid, std::optional<FeedRange> range,
                  MergeCallback done) {
  auto job = std::make_shared<MergeJob>();
  Item item;
  item.bulk = !range.has_value() || range->lane == Lane::kBulk;
  job->slice = item.bulk ? kBulkSlice : std::max<size_t>(rows.size(), 1);
  job->rows = std::move(rows);
  job->peer_uid = std::move(peer_uid);
  job->range = range;
  item.apply = [job](Writer& writer, uint64_t wall_ms) { return job->Apply(writer, wall_ms); };
  item.left = [job] { return job->Left(); };
  item.done = [job, done = std::move(done)](absl::Status status) {
    if (status.ok()) {
      done(std::move(job->result));
    } else {
      done(std::move(status));
    }
  };
  thread_->Push(std::move(item));
}

void Store::OpenFeed(std::string peer_uid, std::vector<FeedEpoch> history, FeedCallback done) {
  if (history.empty()) {
    done(InvalidArgument("a peer's feed without an epoch"));
    return;
  }
  thread_->Push(ItemWith<replication::FeedOpened>(
      [peer_uid = std::move(peer_uid), history = std::move(history)](Writer& writer, uint64_t) {
        return writer.OpenFeed(peer_uid, history);
      },
      std::move(done)));
}

void Store::Settle(DoneCallback done) {
  Item item;
  item.apply = [](Writer& writer, uint64_t) { return writer.Settle(); };
  item.done = std::move(done);
  thread_->Push(std::move(item));
}

void Store::Digest(replication::DigestLevel level, std::string kind, uint32_t bucket, DigestCallback done) {
  thread_->Push(ItemWith<std::vector<replication::DigestEntry>>(
      [level, kind = std::move(kind), bucket](Writer& writer, uint64_t) { return writer.Digest(level, kind, bucket); },
      std::move(done)));
}

void Store::Background(std::function<absl::Status(Writer&, uint64_t wall_ms)> apply, DoneCallback done) {
  Item item;
  item.apply = std::move(apply);
  item.done = std::move(done);
  item.bulk = true;
  thread_->Push(std::move(item));
}

void Store::AppendEvent(std::string severity, std::string type, std::string message,
                        DoneCallback done) {
  Item item;
  item.apply = [severity = std::move(severity), type = std::move(type),
                message = std::move(message)](Writer& writer, uint64_t wall_ms) {
    return writer.AppendEvent(wall_ms, severity, type, message);
  };
  item.done = std::move(done);
  thread_->Push(std::move(item));
}

void Store::AppendAudit(AuditEntry entry, DoneCallback done) {
  Item item;
  item.apply = [entry = std::move(entry)](Writer& writer, uint64_t wall_ms) {
    return writer.AppendAudit(entry, wall_ms);
  };
  item.done = std::move(done);
  thread_->Push(std::move(item));
}

void Store::SetMeta(std::string key, std::string value, DoneCallback done) {
  Item item;
  item.apply = [key = std::move(key), value = std::move(value)](Writer& writer, uint64_t) {
    return writer.SetMeta(key, value);
  };
  item.done = std::move(done);
  thread_->Push(std::move(item));
}

void Store::Read(std::function<absl::Status(Reader&)> read, DoneCallback done) {
  Item item;
  item.read = std::move(read);
  item.done = std::move(done);
  thread_->Push(std::move(item));
}

StoreState Store::state() const {
  return thread_->state();
}
StoreState Store::WaitOpened() const {
  return thread_->WaitOpened();
}
replication::Origin Store::origin() const {
  return thread_->origin();
}
schema::Position Store::head() const {
  return thread_->head();
}
const StoreMetrics& Store::metrics() const {
  return thread_->metrics();
}

}  // namespace aurora::store
