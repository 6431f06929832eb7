// What an administrator may send: a body of each kind (JSON to message to validation, and back), a path and a query.
// The first byte chooses which.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/message.h>

#include "aurora/v1/admin.pb.h"
#include "controlplane/admin/rest_call.h"
#include "controlplane/kinds/field.h"
#include "controlplane/kinds/resolve.h"
#include "controlplane/kinds/validate.h"
#include "shared/base/check.h"
#include "shared/base/status.h"
#include "shared/protojson/protojson.h"
#include "shared/schema/kinds.h"

namespace aurora {
namespace {

// A refusal is one line of text, and its REST form is an answer.
void CheckRefusal(const absl::Status& status) {
  AURORA_CHECK(!status.message().empty());
  const httpd::Response response = admin::rest::ErrorResponse(status, true);
  AURORA_CHECK(response.status >= 400 && response.body.starts_with("{\"error\":{"));
}

// What is read and written again reads as the same.
template <class Message>
bool RoundTrip(std::string_view text, Message* message) {
  const auto fields = protojson::FromJsonText(text, message);
  if (!fields.ok()) {
    CheckRefusal(fields.status());
    return false;
  }
  const std::string written = protojson::ToJsonText(*message);
  Message again;
  const auto reread = protojson::FromJsonText(written, &again);
  AURORA_CHECK(reread.ok());
  AURORA_CHECK(protojson::ToJsonText(again) == written);
  return true;
}

template <class View, class Spec>
void Body(std::string_view text, std::string_view kind) {
  View view;
  RoundTrip(text, &view);
  Spec spec;
  if (!RoundTrip(text, &spec)) {
    return;
  }
  const absl::Status valid = kinds::Validate(spec);
  if (!valid.ok()) {
    CheckRefusal(valid);
    AURORA_CHECK(!kinds::FieldOf(valid).empty());
  }
  // A valid spec is also one that resolves, and the other way round: else a write would be parked.
  replication::Write write;
  write.spec = spec.SerializeAsString();
  const replication::Row row =
      replication::WriteRow({}, {{"00112233445566778899aabbccddeeff", 7}, 1}, {1, 0}, write);
  for (const kinds::Kind& k : kinds::All()) {
    if (k.name == kind) {
      AURORA_CHECK(k.resolve(row).ok() == valid.ok());
    }
  }
}

// A body of a kind that shares its calls, as a put reads it.
void SharedBody(std::string_view text, uint8_t which) {
  std::vector<const kinds::Kind*> shared;
  for (const kinds::Kind& k : kinds::All()) {
    if (k.prototype != nullptr) {
      shared.push_back(&k);
    }
  }
  const kinds::Kind& kind = *shared[which % shared.size()];
  const std::unique_ptr<google::protobuf::Message> entity(kind.prototype()->New());
  if (const auto fields = protojson::FromJsonText(text, entity.get()); !fields.ok()) {
    CheckRefusal(fields.status());
    return;
  }
  const std::string name(text.substr(0, which % 32));
  absl::Status valid = kind.complete(which / 4 % 2 == 1 ? name : "", 1'700'000'000, entity.get());
  valid = valid.ok() ? kind.validate(*entity) : valid;
  if (!valid.ok()) {
    CheckRefusal(valid);
    AURORA_CHECK(!kinds::FieldOf(valid).empty());
    return;
  }
  AURORA_CHECK(!kind.id(*entity).empty());
  replication::Write write;
  write.spec = entity->SerializeAsString();
  AURORA_CHECK(
      kind.resolve(replication::WriteRow({}, {{"00112233445566778899aabbccddeeff", 7}, 1}, {1, 0}, write)).ok());
}

void PathAndQuery(std::string_view target) {
  const size_t mark = target.find('?');
  const std::string_view path = target.substr(0, mark);
  const std::string_view query = mark == std::string_view::npos ? "" : target.substr(mark + 1);
  for (const admin::rest::Route& route : admin::rest::Routes()) {
    std::string_view captured;
    if (admin::rest::Matches(route.pattern, path, &captured)) {
      const auto id = admin::rest::PercentDecode(captured, false);
      AURORA_CHECK(!id.ok() || id->size() <= captured.size());
    }
    const auto values = admin::rest::ParseQuery(query, route.query);
    if (!values.ok()) {
      CheckRefusal(values.status());
    }
  }
}

}  // namespace
}  // namespace aurora

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aurora;
  if (size == 0) {
    return 0;
  }
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 8) {
    case 0:
      Body<v1::AuthKey, v1::AuthKeySpec>(text, schema::kAuthKey);
      break;
    case 1:
      Body<v1::Provider, v1::ProviderSpec>(text, schema::kProvider);
      break;
    case 2:
      Body<v1::Model, v1::ModelSpec>(text, schema::kModel);
      break;
    case 3:
      Body<v1::Alias, v1::AliasSpec>(text, schema::kAlias);
      break;
    case 4:
      Body<v1::ModelOverride, v1::ModelOverrideSpec>(text, schema::kModelOverride);
      break;
    case 5: {
      v1::RotateAuthKeyRequest request;
      RoundTrip(text, &request);
      break;
    }
    case 6:
      if (const auto time = protojson::ParseTime(text); time.ok()) {
        AURORA_CHECK(protojson::ParseTime(protojson::FormatTime(time->seconds, time->nanos)).ok());
      }
      break;
    default:
      if (data[0] < 128) {
        PathAndQuery(text);
      } else {
        SharedBody(text, static_cast<uint8_t>(data[0] / 8));
      }
  }
  return 0;
}
