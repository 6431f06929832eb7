// A kind that the program has never heard of joins with a proto, validation and resolve, and has
// calls, REST and storage (docs/adding-a-kind.md). Its message is made here, at run time.
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <nlohmann/json.hpp>

#include "controlplane/kinds/field.h"
#include "shared/base/status.h"
#include "tests/controlplane/admin/rest_fixture.h"

namespace aurora::admin {
namespace {

using google::protobuf::FieldDescriptorProto;
using google::protobuf::Message;

const google::protobuf::Descriptor* LampDescriptor() {
  static google::protobuf::DescriptorPool pool;
  static const google::protobuf::Descriptor* lamp = [] {
    google::protobuf::FileDescriptorProto file;
    file.set_name("lamp.proto");
    file.set_syntax("proto3");
    auto* message = file.add_message_type();
    message->set_name("LampSpec");
    const auto add = [message](const char* name, int number, FieldDescriptorProto::Type type) {
      auto* field = message->add_field();
      field->set_name(name);
      field->set_number(number);
      field->set_type(type);
      field->set_label(FieldDescriptorProto::LABEL_OPTIONAL);
    };
    add("name", 1, FieldDescriptorProto::TYPE_STRING);
    add("watts", 2, FieldDescriptorProto::TYPE_INT64);
    return pool.BuildFile(file)->message_type(0);
  }();
  return lamp;
}

const Message* Lamp() {
  static google::protobuf::DynamicMessageFactory factory;
  return factory.GetPrototype(LampDescriptor());
}

std::string Name(const Message& m) {
  return m.GetReflection()->GetString(m, LampDescriptor()->FindFieldByName("name"));
}

absl::Status CheckLamp(const Message& m) {
  AURORA_RETURN_IF_ERROR(kinds::CheckSegment("name", Name(m)));
  return kinds::CheckRange("watts", m.GetReflection()->GetInt64(m, LampDescriptor()->FindFieldByName("watts")), 1, 100);
}

std::vector<kinds::Kind> WithLamps() {
  std::vector<kinds::Kind> all(kinds::All().begin(), kinds::All().end());
  kinds::Kind lamp;
  lamp.name = "Lamp";
  lamp.rest = "lamps";
  lamp.list = "lamps";
  lamp.prototype = Lamp;
  lamp.complete = [](std::string_view name, int64_t, Message* m) {
    const auto* field = LampDescriptor()->FindFieldByName("name");
    std::string given = Name(*m);
    AURORA_RETURN_IF_ERROR(kinds::TakeName("name", name, &given));
    m->GetReflection()->SetString(m, field, given);
    return absl::OkStatus();
  };
  lamp.validate = CheckLamp;
  lamp.id = Name;
  lamp.enforced = true;
  lamp.resolve = [](const replication::Row& row) {
    return kinds::ResolveNewest(row, [](std::string_view spec) {
      const std::unique_ptr<Message> m(Lamp()->New());
      return m->ParseFromArray(spec.data(), static_cast<int>(spec.size())) ? CheckLamp(*m)
                                                                           : InvalidArgument("does not parse");
    });
  };
  all.push_back(lamp);
  return all;
}

TEST_CASE("a new kind has storage, calls and REST from its descriptor alone") {
  const std::vector<kinds::Kind> kinds = WithLamps();
  testing::Rest rest(testing::kMasterKey, {}, kinds);
  const std::string shown = R"({"name":"desk","watts":7})";
  CHECK(rest.Call("PUT", "lamps/desk", R"({"watts":7})").status == 201);
  CHECK(rest.Call("PUT", "lamps/desk", R"({"watts":7})").status == 200);
  CHECK(rest.Call("GET", "lamps/desk").body == shown);
  CHECK(rest.Call("GET", "lamps").body == R"({"lamps":[)" + shown + R"(],"next_page_token":""})");
  const auto error = nlohmann::json::parse(rest.Call("PUT", "lamps/desk", R"({"watts":700})").body)["error"];
  CHECK(error["param"] == "watts");
  CHECK(rest.Call("DELETE", "lamps/desk").status == 200);
  CHECK(rest.Call("GET", "lamps/desk").status == 404);
}

TEST_CASE("a kind that nobody registered is refused by name, and the known ones are listed") {
  testing::Rest rest;
  CHECK(rest.Call("GET", "lamps").status == 404);
  v1::PutEntityRequest request;
  request.set_kind("Lamp");
  absl::Status status;
  rest.backend().handlers().Handle(Caller{"test"}, request, [&](const auto& answer) { status = answer.status(); });
  CHECK(status.message() == "kind: \"Lamp\" is unknown here; allowed are Guardrail, Budget, Pricing, Workflow");
}

}  // namespace
}  // namespace aurora::admin
