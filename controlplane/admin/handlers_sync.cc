#include <memory>
#include <string>
#include <vector>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "controlplane/admin/cluster_api.h"
#include "controlplane/admin/handlers_impl.h"
#include "controlplane/store/check.h"
#include "shared/protojson/protojson.h"

namespace aurora::admin {
namespace {

constexpr int64_t kVerifyMsDefault = 30'000;
constexpr int64_t kVerifyMsMax = 600'000;

// "kind/id": a kind holds no slash.
store::RowRef RefOf(const std::string& token) {
  const size_t slash = token.find('/');
  return slash == std::string::npos ? store::RowRef{token, ""}
                                    : store::RowRef{token.substr(0, slash), token.substr(slash + 1)};
}

constexpr size_t kPageBytesMax = 1 << 20;  // of values; a page holds one conflict at least

// Bytes in a spec are hashes of secrets and sealed secrets.
void DropBytes(google::protobuf::Message* message) {
  using google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection& reflection = *message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->type() == FieldDescriptor::TYPE_BYTES) {
      reflection.ClearField(message, field);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && field->is_repeated()) {
      for (int i = 0; i < reflection.FieldSize(*message, field); ++i) {
        DropBytes(reflection.MutableRepeatedMessage(message, field, i));
      }
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      DropBytes(reflection.MutableMessage(message, field));
    }
  }
}

// What was written, as JSON; "" when this version cannot read it.
std::string ValueJson(const std::string& kind, const std::string& spec) {
  const google::protobuf::Descriptor* type =
      google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName("aurora.v1." + kind + "Spec");
  if (type == nullptr) {
    return "";
  }
  const std::unique_ptr<google::protobuf::Message> message(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
  if (!message->ParseFromString(spec)) {
    return "";
  }
  DropBytes(message.get());
  return protojson::ToJsonText(*message);
}

// Answers the bytes of its values.
size_t AddConflict(const store::Entry& entry, v1::ListSyncConflictsResponse* out) {
  size_t bytes = 0;
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
    if (!sibling.deleted) {
      value->set_value(ValueJson(entry.kind, sibling.spec));
      bytes += value->value().size();
    }
  }
  return bytes;
}

}  // namespace

void Handlers::Handle(const Caller&, const v1::GetSyncStatusRequest&, Reply<v1::GetSyncStatusResponse> reply) {
  if (deps_.cluster == nullptr) {
    reply(v1::GetSyncStatusResponse());
    return;
  }
  deps_.cluster->SyncStatus(std::move(reply));
}

void Handlers::Handle(const Caller& c, const v1::VerifySyncRequest& r, Reply<v1::VerifySyncResponse> reply) {
  if (r.timeout_ms() < 0 || r.timeout_ms() > kVerifyMsMax) {
    reply(InvalidArgument("timeout_ms: " + std::to_string(r.timeout_ms()) + " is out of range; allowed are 0 to " +
                          std::to_string(kVerifyMsMax)));
    return;
  }
  if (r.repair()) {
    deps_.store->AppendEvent("info", "policy_repair_asked", "sync verify --repair was asked for by " + c.actor);
  }
  if (deps_.cluster != nullptr) {
    deps_.cluster->VerifySync(r.repair(), Duration::Millis(r.timeout_ms() == 0 ? kVerifyMsDefault : r.timeout_ms()),
                              std::move(reply));
    return;
  }
  auto shared = std::make_shared<Reply<v1::VerifySyncResponse>>(std::move(reply));
  store::Check(*deps_.store, r.repair(),
               [shared, node_id = deps_.config->cluster.node_id](absl::StatusOr<store::CheckReport> report) {
                 if (!report.ok()) {
                   (*shared)(report.status());
                   return;
                 }
                 v1::VerifySyncResponse out;
                 v1::VerifiedNode* node = out.add_nodes();
                 node->set_node_id(node_id);
                 node->set_self(true);
                 node->set_compared(true);
                 store::ToProto(*report, node->mutable_check());
                 out.set_good(report->wrong == report->repaired);
                 out.set_complete(true);
                 (*shared)(std::move(out));
               });
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
        size_t shown = 0;
        for (size_t bytes = 0; shown < entries.size() && shown < page.size && bytes < kPageBytesMax; ++shown) {
          bytes += AddConflict(entries[shown], out);
        }
        if (shown < entries.size()) {
          const store::Entry& last = entries[shown - 1];
          out->set_next_page_token(last.kind + "/" + last.id);
        }
        return absl::OkStatus();
      });
}

}  // namespace aurora::admin
