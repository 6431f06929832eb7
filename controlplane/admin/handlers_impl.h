// What the handlers share: replies, writes with propagation, pages. Internal to controlplane/admin.
// Source: ours. Thread: as handlers.h. Errors: as handlers.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "controlplane/admin/handlers.h"
#include "google/protobuf/timestamp.pb.h"
#include "shared/base/status.h"

namespace aurora::admin {

inline constexpr int kPageDefault = 100;
inline constexpr int kPageMax = 1000;
inline constexpr int64_t kWaitMsDefault = 2000;
inline constexpr int64_t kWaitMsMax = 60'000;

inline void SetMillis(int64_t unix_ms, google::protobuf::Timestamp* t) {
  t->set_seconds(unix_ms / 1000);
  t->set_nanos(static_cast<int32_t>(unix_ms % 1000) * 1'000'000);
}

template <class Proto>
absl::StatusOr<Proto> DecodeStored(std::string_view bytes) {
  Proto proto;
  if (!proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Internal("a stored value does not parse; restore a backup or write it again");
  }
  return proto;
}

// Runs `read` on the store thread and replies with what it made.
template <class Response, class Read>
void ReplyFromStore(store::Store& store, Reply<Response> reply, Read read) {
  struct Job {
    Reply<Response> reply;
    Response response;
  };
  auto job = std::make_shared<Job>(Job{std::move(reply), {}});
  store.Read(
      [job, read](store::Reader& reader) -> absl::Status { return read(reader, &job->response); },
      [job](absl::Status status) {
        if (status.ok()) {
          job->reply(std::move(job->response));
        } else {
          job->reply(status);
        }
      });
}

inline absl::Status CheckOptions(const v1::WriteOptions& options) {
  if (options.timeout_ms() < 0 || options.timeout_ms() > kWaitMsMax) {
    return InvalidArgument("timeout_ms: " + std::to_string(options.timeout_ms()) +
                           " is out of range; allowed are 0 to " + std::to_string(kWaitMsMax));
  }
  return absl::OkStatus();
}

// Answers a write of `entry` with the propagation that `options` ask for.
template <class Response>
void ReplyEnforced(const Enforcement& enforcement, const store::Entry& entry, const v1::WriteOptions& options,
                   v1::WaitFor wait_default, Response response, std::shared_ptr<Reply<Response>> reply) {
  const v1::WaitFor wait = options.wait() == v1::WAIT_FOR_UNSPECIFIED ? wait_default : options.wait();
  Duration timeout;
  if (wait == v1::WAIT_FOR_ALL) {
    timeout = Duration::Millis(options.timeout_ms() == 0 ? kWaitMsDefault : options.timeout_ms());
  }
  auto kept = std::make_shared<Response>(std::move(response));
  enforcement.report({entry.kind, entry.id, entry.seq}, timeout, [reply, kept](v1::Propagation propagation) {
    *kept->mutable_propagation() = std::move(propagation);
    (*reply)(std::move(*kept));
  });
}

// Submits, then answers with `fill`'s response and the propagation that `options` ask for.
// fill: absl::Status(const store::WriteResult&, Response*).
template <class Response, class Fill>
void ReplyToWrite(const Deps& deps, store::WriteRequest request, const v1::WriteOptions& options,
                  v1::WaitFor wait_default, Reply<Response> reply, Fill fill) {
  if (absl::Status status = CheckOptions(options); !status.ok()) {
    reply(std::move(status));
    return;
  }
  auto shared = std::make_shared<Reply<Response>>(std::move(reply));
  deps.store->Submit(std::move(request), [shared, fill, options, wait_default, &enforcement = deps.enforcement](
                                             absl::StatusOr<store::WriteResult> result) {
    if (!result.ok()) {
      (*shared)(result.status());
      return;
    }
    Response response;
    if (absl::Status status = fill(*result, &response); !status.ok()) {
      (*shared)(status);
      return;
    }
    ReplyEnforced(enforcement, result->entry, options, wait_default, std::move(response), shared);
  });
}

inline store::AuditEntry AuditOf(const Caller& caller, std::string_view action) {
  store::AuditEntry entry;
  entry.actor = caller.actor;
  entry.action = action;
  return entry;
}

struct Page {
  size_t size = kPageDefault;
  std::string after;
};
// page_size 0 = the default; too large = the maximum; negative = InvalidArgument.
absl::StatusOr<Page> PageOf(int page_size, const std::string& page_token);

// Lists one kind; add: absl::Status(const store::Entry&, Response*).
template <class Response, class Add>
absl::Status ListInto(store::Reader& reader, std::string_view kind, const Page& page,
                      Response* response, Add add) {
  AURORA_ASSIGN_OR_RETURN(auto entries, reader.List(kind, page.after, page.size + 1));
  for (size_t i = 0; i < entries.size() && i < page.size; ++i) {
    AURORA_RETURN_IF_ERROR(add(entries[i], response));
  }
  if (entries.size() > page.size) {
    response->set_next_page_token(entries[page.size - 1].id);
  }
  return absl::OkStatus();
}

// The value in force; NotFound when there is none.
inline absl::StatusOr<store::Entry> GetLive(store::Reader& reader, std::string_view kind,
                                            std::string_view id) {
  auto entry = reader.Get(kind, id);
  if (absl::IsNotFound(entry.status()) || (entry.ok() && !entry->resolved)) {
    return NotFound("no " + std::string(kind) + " \"" + std::string(id.substr(0, 200)) + "\"");
  }
  return entry;
}

// NotFound when nothing is in force.
template <class Response>
void DeleteRow(const Deps& deps, const Caller& caller, std::string_view kind,
               const std::string& id, const v1::WriteOptions& options, Reply<Response> reply) {
  store::WriteRequest request{
      std::string(kind), id,
      [](const store::EditContext& ctx) -> absl::StatusOr<std::optional<replication::Write>> {
        if (!ctx.current.resolved) {
          return NotFound("no " + ctx.current.kind + " \"" + ctx.current.id.substr(0, 200) + "\"");
        }
        replication::Write write;
        write.spec = "";
        write.deleted = true;
        return write;
      },
      AuditOf(caller, "delete")};
  ReplyToWrite<Response>(deps, std::move(request), options, v1::WAIT_FOR_LOCAL, std::move(reply),
                         [](const store::WriteResult&, Response*) { return absl::OkStatus(); });
}

}  // namespace aurora::admin
