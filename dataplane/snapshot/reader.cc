#include "dataplane/snapshot/reader.h"

#include <charconv>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include <sys/stat.h>

#include "shared/base/status.h"
#include "shared/schema/aurora_db.h"
#include "shared/schema/sum.h"
#include "shared/sqlite/database.h"

namespace aurora::snapshot {
namespace {

std::string Hex(uint64_t v) {
  char text[16];
  const auto end = std::to_chars(text, text + sizeof text, v, 16).ptr;
  return {text, end};
}

// The whole table of values in force, in three allocations however many rows there are.
class Resolved {
 public:
  void Add(std::string_view kind, std::string_view id, std::string_view spec) {
    if (kinds_.empty() || kinds_.back() != kind) {
      kinds_.emplace_back(kind);
    }
    rows_.push_back({kinds_.size() - 1, bytes_.size(), id.size(), spec.size()});
    bytes_ += id;
    bytes_ += spec;
  }
  size_t size() const { return rows_.size(); }
  template <class F>
  void ForEach(F f) const {
    const std::string_view all = bytes_;
    for (const Row& row : rows_) {
      f(kinds_[row.kind], all.substr(row.begin, row.id_size),
        all.substr(row.begin + row.id_size, row.spec_size));
    }
  }

 private:
  struct Row {
    size_t kind;
    size_t begin;
    size_t id_size;
    size_t spec_size;
  };
  std::vector<std::string> kinds_;
  std::vector<Row> rows_;
  std::string bytes_;
};

// What changes on disk when somebody writes over a file in place, or takes its journal away: neither
// shows in PRAGMA data_version. A checkpoint changes it too.
struct Stamp {
  int64_t modified_ns = 0;
  uint64_t journal = 0;  // the inode of -wal; 0 = there is none
  bool operator==(const Stamp&) const = default;

  static Stamp Of(const std::string& path) {
    Stamp stamp;
    struct stat s {};
    if (::stat(path.c_str(), &s) == 0) {
      stamp.modified_ns = int64_t{s.st_mtim.tv_sec} * 1'000'000'000 + s.st_mtim.tv_nsec;
    }
    if (::stat((path + "-wal").c_str(), &s) == 0) {
      stamp.journal = s.st_ino;
    }
    return stamp;
  }
};

// One open aurora.db with its prepared reads.
class File {
 public:
  static absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path) {
    // SQLite would create an empty file; look first.
    AURORA_RETURN_IF_ERROR(sqlite::FileIdentity::OfPath(path).status());
    AURORA_ASSIGN_OR_RETURN(sqlite::Database db, schema::OpenAuroraForRead(path));
    auto file = std::make_unique<File>(std::move(db));
    AURORA_ASSIGN_OR_RETURN(
        file->changes_,
        file->db_.Prepare(
            "SELECT seq, kind, id FROM change WHERE seq > ?1 ORDER BY seq LIMIT 20000"));
    AURORA_ASSIGN_OR_RETURN(
        file->one_, file->db_.Prepare("SELECT spec FROM resolved WHERE kind = ?1 AND id = ?2"));
    AURORA_ASSIGN_OR_RETURN(file->all_, file->db_.Prepare("SELECT kind, id, spec FROM resolved"));
    AURORA_ASSIGN_OR_RETURN(file->meta_,
                            file->db_.Prepare("SELECT value FROM meta WHERE key = ?1"));
    return file;
  }

  explicit File(sqlite::Database db) : db_(std::move(db)) {}

  sqlite::Database& db() { return db_; }

  absl::StatusOr<std::string> NodeUid() {
    sqlite::ResetGuard guard(meta_);
    meta_.BindText(1, schema::kMetaNodeUid);
    AURORA_ASSIGN_OR_RETURN(bool row, meta_.Step());
    return row ? std::string(meta_.Text(0)) : std::string();
  }

  absl::StatusOr<Resolved> LoadAll() {
    sqlite::ResetGuard guard(all_);
    Resolved out;
    while (true) {
      AURORA_ASSIGN_OR_RETURN(bool row, all_.Step());
      if (!row) {
        return out;
      }
      AURORA_ASSIGN_OR_RETURN(const std::string_view spec, schema::WithoutSum(schema::kSpecColumn, all_.Text(0),
                                                                              all_.Text(1), all_.Blob(2)));
      out.Add(all_.Text(0), all_.Text(1), spec);
    }
  }

  // Applies what changed after `seq`; true when there may be more.
  absl::StatusOr<bool> LoadChanges(uint64_t* seq, Builder& builder) {
    sqlite::ResetGuard guard(changes_);
    changes_.Bind(1, static_cast<int64_t>(*seq));
    size_t count = 0;
    while (true) {
      AURORA_ASSIGN_OR_RETURN(bool row, changes_.Step());
      if (!row) {
        return count == 20000;
      }
      ++count;
      const std::string_view kind = changes_.Text(1);
      const std::string_view id = changes_.Text(2);
      sqlite::ResetGuard one_guard(one_);
      one_.BindText(1, kind).BindText(2, id);
      AURORA_ASSIGN_OR_RETURN(bool there, one_.Step());
      std::optional<std::string_view> spec;
      if (there) {
        AURORA_ASSIGN_OR_RETURN(spec, schema::WithoutSum(schema::kSpecColumn, kind, id, one_.Blob(0)));
      }
      builder.Apply(kind, id, spec);
      *seq = static_cast<uint64_t>(changes_.Int64(0));
    }
  }

 private:
  sqlite::Database db_;
  sqlite::Statement changes_, one_, all_, meta_;
};

FileState StateOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kUnavailable:
      return FileState::kMissing;
    case absl::StatusCode::kFailedPrecondition:
      return FileState::kSchema;
    default:
      return FileState::kCorrupt;
  }
}

}  // namespace

std::string_view ToString(FileState state) {
  switch (state) {
    case FileState::kOpening:
      return "opening";
    case FileState::kOk:
      return "ok";
    case FileState::kMissing:
      return "missing";
    case FileState::kCorrupt:
      return "corrupt";
    case FileState::kReplaced:
      return "replaced";
    case FileState::kSchema:
      return "schema";
  }
  return "unknown";
}

class Reader::Thread {
 public:
  explicit Thread(ReaderOptions options)
      : options_(std::move(options)),
        builder_(options_.environment, options_.encryption_key, options_.stored_public_only) {
    thread_ = std::thread([this] { Run(); });
  }

  ~Thread() {
    {
      const std::lock_guard lock(mu_);
      stop_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  void SetDiscovered(std::string provider, std::vector<DiscoveredModel> models) {
    const std::lock_guard lock(mu_);
    discovered_.emplace_back(std::move(provider), std::move(models));
    wake_.notify_all();
  }

  void Retire(std::shared_ptr<const model::Snapshot> snapshot) {
    const std::lock_guard lock(mu_);
    retired_.push_back(std::move(snapshot));
  }

  ReaderState state() const {
    const std::lock_guard lock(mu_);
    return state_;
  }

 private:
  void Run() {
    while (true) {
      Step();
      std::vector<std::shared_ptr<const model::Snapshot>> retired;  // freed outside the lock
      std::unique_lock lock(mu_);
      wake_.wait_for(lock, std::chrono::microseconds(options_.poll_every.micros()),
                     [&] { return stop_ || !discovered_.empty(); });
      if (stop_) {
        return;
      }
      retired.swap(retired_);
    }
  }

  void Step() {
    bool publish = TakeDiscovered();
    ++polls_;
    if (file_ == nullptr) {
      // Opening costs more than a poll: try every tenth, and at once the first time.
      if (polls_ == 1 || polls_ % 10 == 0) {
        publish |= TryOpen();
      }
    } else {
      publish |= Poll();
      if (file_ != nullptr) {  // the poll may have lost it
        Watch();
      }
    }
    // Nothing is published before a file was loaded: without keys nobody could be served anyway.
    if (publish && loaded_) {
      options_.publish(builder_.Build(seq_, Hex(seq_), epoch_));
      NoteProblems();
    }
  }

  bool TakeDiscovered() {
    std::vector<std::pair<std::string, std::vector<DiscoveredModel>>> taken;
    {
      const std::lock_guard lock(mu_);
      taken.swap(discovered_);
    }
    for (auto& [provider, models] : taken) {
      builder_.SetDiscovered(provider, std::move(models));
    }
    return !taken.empty();
  }

  bool TryOpen() {
    auto file = File::Open(options_.path);
    if (!file.ok()) {
      SetState(StateOf(file.status()), std::string(Std(file.status().message())));
      return false;
    }
    auto loaded = Load(**file);
    if (!loaded.ok()) {
      SetState(StateOf(loaded.status()), std::string(Std(loaded.status().message())));
      return false;
    }
    if (!*loaded) {
      return false;
    }
    file_ = *std::move(file);
    stamp_ = Stamp::Of(options_.path);
    SetState(FileState::kOk, "");
    return true;
  }

  // A full load in one read transaction; false = this file must not replace what we have.
  absl::StatusOr<bool> Load(File& file) {
    AURORA_ASSIGN_OR_RETURN(sqlite::Transaction tx, sqlite::Transaction::BeginRead(file.db()));
    AURORA_ASSIGN_OR_RETURN(data_version_, file.db().DataVersion());
    AURORA_ASSIGN_OR_RETURN(std::string uid, file.NodeUid());
    AURORA_ASSIGN_OR_RETURN(schema::Position head, schema::HeadPosition(file.db()));
    if (uid.empty()) {
      return Unavailable(
          "aurora.db has no node identity yet; waiting for the control plane to finish its start");
    }
    if (loaded_ && !Continues(uid, head)) {
      return false;
    }
    // All of it first: a file that turns out damaged half way must not leave half a policy.
    AURORA_ASSIGN_OR_RETURN(Resolved all, file.LoadAll());
    AURORA_RETURN_IF_ERROR(std::move(tx).Commit());
    builder_.Clear();
    builder_.Reserve(all.size());
    all.ForEach([&](std::string_view kind, std::string_view id, std::string_view spec) {
      builder_.Apply(kind, id, spec);
    });
    uid_ = uid;
    seq_ = head.seq;
    epoch_ = head.epoch;
    loaded_ = true;
    return true;
  }

  // False, with the state set: this is not the history our policy came from.
  bool Continues(const std::string& uid, const schema::Position& head) {
    if (uid == uid_ && head.seq >= seq_) {
      return true;
    }
    SetState(FileState::kReplaced,
             uid != uid_ ? "aurora.db belongs to another node; serving the policy loaded before. "
                           "Restart the data plane to accept it"
                         : "aurora.db is older than the policy in force; serving the policy "
                           "loaded before. Restart the data plane to accept it");
    return false;
  }

  bool Poll() {
    auto version = file_->db().DataVersion();
    if (!version.ok()) {
      return Lose(version.status());
    }
    if (*version == data_version_) {
      return false;
    }
    bool changed = false;
    while (true) {
      auto more = LoadDelta(&changed);
      if (!more.ok()) {
        return Lose(more.status()) || changed;
      }
      if (file_ == nullptr) {
        return changed;
      }
      if (!*more) {
        break;
      }
    }
    data_version_ = *version;
    return changed;
  }

  absl::StatusOr<bool> LoadDelta(bool* changed) {
    AURORA_ASSIGN_OR_RETURN(sqlite::Transaction tx, sqlite::Transaction::BeginRead(file_->db()));
    uint64_t seq = seq_;
    // A control plane that restarted begins a new epoch, maybe without any change of policy.
    AURORA_ASSIGN_OR_RETURN(schema::Position head, schema::HeadPosition(file_->db()));
    AURORA_ASSIGN_OR_RETURN(std::string uid, file_->NodeUid());
    if (!Continues(uid, head)) {
      AURORA_RETURN_IF_ERROR(std::move(tx).Commit());
      file_ = nullptr;
      return false;
    }
    AURORA_ASSIGN_OR_RETURN(bool more, file_->LoadChanges(&seq, builder_));
    AURORA_RETURN_IF_ERROR(std::move(tx).Commit());
    *changed |= seq != seq_ || head.epoch != epoch_;
    seq_ = seq;
    epoch_ = head.epoch;
    return more;
  }

  void Watch() {
    const int64_t every = std::max<int64_t>(
        1, options_.watch_every.micros() / std::max<int64_t>(1, options_.poll_every.micros()));
    if (static_cast<int64_t>(polls_) % every != 0) {
      return;
    }
    const absl::Status in_place = file_->db().CheckInPlace();
    if (!in_place.ok()) {
      file_ = nullptr;
      SetState(FileState::kReplaced, std::string(Std(in_place.message())));
    } else if (const Stamp now = Stamp::Of(options_.path); now != stamp_) {
      Recheck(now);
    }
  }

  // Asks the file anew, since our open handle may see pages of it that are gone.
  void Recheck(const Stamp& now) {
    auto fresh = File::Open(options_.path);
    if (!fresh.ok()) {
      Lose(fresh.status());
      return;
    }
    auto uid = (*fresh)->NodeUid();
    auto head = schema::HeadPosition((*fresh)->db());
    if (!uid.ok() || !head.ok()) {
      Lose(uid.ok() ? head.status() : uid.status());
    } else if (!Continues(*uid, *head) || now.journal != stamp_.journal) {
      file_ = nullptr;  // TryOpen reads all of it, or says why not
    } else {
      stamp_ = now;
    }
  }

  bool Lose(const absl::Status& status) {
    if (!absl::IsUnavailable(status)) {  // busy: next poll
      file_ = nullptr;
      SetState(StateOf(status), std::string(Std(status.message())));
    }
    return false;
  }

  void NoteProblems() {
    ReaderState next = state();
    next.problems.assign(builder_.problems().begin(), builder_.problems().end());
    next.decrypt_errors = builder_.decrypt_errors();
    next.sealed_with_other = builder_.sealed_with_other();
    Announce(std::move(next));
  }

  void SetState(FileState file, std::string detail) {
    ReaderState next = state();
    next.file = file;
    next.detail = std::move(detail);
    Announce(std::move(next));
  }

  void Announce(ReaderState next) {
    {
      const std::lock_guard lock(mu_);
      if (next.file == state_.file && next.detail == state_.detail &&
          next.problems == state_.problems && next.decrypt_errors == state_.decrypt_errors &&
          next.sealed_with_other == state_.sealed_with_other) {
        return;
      }
      state_ = next;
    }
    if (options_.on_state) {
      options_.on_state(next);
    }
  }

  const ReaderOptions options_;

  // Owned by the thread.
  Builder builder_;
  std::unique_ptr<File> file_;
  int64_t data_version_ = 0;
  uint64_t seq_ = 0;
  uint64_t epoch_ = 0;
  uint64_t polls_ = 0;
  std::string uid_;
  Stamp stamp_;
  bool loaded_ = false;

  mutable std::mutex mu_;
  std::condition_variable wake_;
  bool stop_ = false;                                                             // guarded by mu_
  ReaderState state_;                                                             // guarded by mu_
  std::vector<std::pair<std::string, std::vector<DiscoveredModel>>> discovered_;  // guarded by mu_
  std::vector<std::shared_ptr<const model::Snapshot>> retired_;                   // guarded by mu_
  std::thread thread_;
};

Reader::Reader(ReaderOptions options) : thread_(std::make_unique<Thread>(std::move(options))) {}
Reader::~Reader() = default;

void Reader::SetDiscovered(std::string provider, std::vector<DiscoveredModel> models) {
  thread_->SetDiscovered(std::move(provider), std::move(models));
}
void Reader::Retire(std::shared_ptr<const model::Snapshot> snapshot) {
  thread_->Retire(std::move(snapshot));
}
ReaderState Reader::state() const {
  return thread_->state();
}

}  // namespace aurora::snapshot
