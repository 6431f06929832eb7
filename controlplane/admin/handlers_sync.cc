#include <string>

#include "controlplane/admin/cluster_api.h"
#include "controlplane/admin/handlers_impl.h"

namespace aurora::admin {
namespace {

// "kind/id": a kind holds no slash.
store::RowRef RefOf(const std::string& token) {
  const size_t slash = token.find('/');
  return slash == std::string::npos ? store::RowRef{token, ""}
                                    : store::RowRef{token.substr(0, slash), token.substr(slash + 1)};
}

void AddConflict(const store::Entry& entry, v1::ListSyncConflictsResponse* out) {
  v1::SyncConflict* conflict = out->add_conflicts();
  conflict->set_kind(entry.kind);
  conflict->set_id(entry.id);
  const replication::Sibling* newest = entry.row.Newest();
  for (const replication::Sibling& sibling : entry.row.siblings) {
    v1::ConflictValue* value = conflict->add_values();
    value->set_node_uid(sibling.dot.origin.node_uid);
    SetMillis(static_cast<int64_t>(sibling.hlc.unix_ms), value->mutable_at());
    value->set_deleted(sibling.deleted);
    value->set_newest(&sibling == newest);
  }
}

}  // namespace

void Handlers::Handle(const Caller&, const v1::GetSyncStatusRequest&, Reply<v1::GetSyncStatusResponse> reply) {
  if (deps_.cluster == nullptr) {
    reply(v1::GetSyncStatusResponse());
    return;
  }
  deps_.cluster->SyncStatus(std::move(reply));
}

void Handlers::Handle(const Caller&, const v1::ListSyncConflictsRequest& r,
                      Reply<v1::ListSyncConflictsResponse> reply) {
  const auto page = PageOf(r.page_size(), r.page_token());
  if (!page.ok()) {
    reply(page.status());
    return;
  }
  ReplyFromStore<v1::ListSyncConflictsResponse>(
      *deps_.store, std::move(reply),
      [page = *page](store::Reader& reader, v1::ListSyncConflictsResponse* out) -> absl::Status {
        AURORA_ASSIGN_OR_RETURN(const auto entries, reader.Conflicts(RefOf(page.after), page.size + 1));
        for (size_t i = 0; i < entries.size() && i < page.size; ++i) {
          AddConflict(entries[i], out);
        }
        if (entries.size() > page.size) {
          const store::Entry& last = entries[page.size - 1];
          out->set_next_page_token(last.kind + "/" + last.id);
        }
        return absl::OkStatus();
      });
}

}  // namespace aurora::admin
