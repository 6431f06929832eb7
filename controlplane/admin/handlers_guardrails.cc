// What a guardrail's config may hold, told from the proto itself: it cannot fall behind.
#include <google/protobuf/descriptor.h>

#include "aurora/v1/policy.pb.h"
#include "controlplane/admin/handlers_impl.h"

namespace aurora::admin {
namespace {

using google::protobuf::FieldDescriptor;

std::string_view What(std::string_view type) {
  return type == "system_prompt"  ? "puts a system prompt into the request"
         : type == "regex_block"  ? "blocks text that matches a pattern"
         : type == "pii_redact"   ? "replaces personal data"
         : type == "length_limit" ? "blocks text that is too long"
                                  : "asks a model whether to block";
}

std::string TypeName(const FieldDescriptor& field) {
  std::string name;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      name = "boolean";
      break;
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      name = "number";
      break;
    case FieldDescriptor::CPPTYPE_STRING:
    case FieldDescriptor::CPPTYPE_ENUM:
      name = "string";
      break;
    default:
      name = "integer";
  }
  return field.is_repeated() ? name + "[]" : name;
}

}  // namespace

void Handlers::Handle(const Caller&, const v1::ListGuardrailTypesRequest&,
                      Reply<v1::ListGuardrailTypesResponse> reply) {
  v1::ListGuardrailTypesResponse response;
  const auto* config = v1::GuardrailSpec::descriptor()->FindOneofByName("config");
  for (int i = 0; i < config->field_count(); ++i) {
    const FieldDescriptor& member = *config->field(i);
    v1::GuardrailTypeInfo* info = response.add_types();
    info->set_type(member.name());
    info->set_what(std::string(What(member.name())));
    info->add_directions("input");
    if (member.number() != v1::GuardrailSpec::kSystemPromptFieldNumber) {
      info->add_directions("output");
      info->add_directions("both");
    }
    for (int k = 0; k < member.message_type()->field_count(); ++k) {
      v1::GuardrailTypeField* field = info->add_config();
      field->set_name(member.message_type()->field(k)->name());
      field->set_type(TypeName(*member.message_type()->field(k)));
    }
  }
  reply(std::move(response));
}

}  // namespace aurora::admin
