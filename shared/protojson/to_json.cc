#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <nlohmann/json.hpp>

#include "shared/crypto/encoding.h"
#include "shared/protojson/names.h"
#include "shared/protojson/protojson.h"

namespace aurora::protojson {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using Json = nlohmann::ordered_json;

Json Bytes(const FieldDescriptor& field, const std::string& value) {
  return field.type() == FieldDescriptor::TYPE_BYTES ? Json(crypto::Base64Encode(value))
                                                     : Json(value);
}

Json MessageJson(const Message& message) {
  const auto& type = *message.GetDescriptor();
  const Reflection& r = *message.GetReflection();
  if (IsTimestamp(type)) {
    return FormatTime(r.GetInt64(message, type.FindFieldByName("seconds")),
                      r.GetInt32(message, type.FindFieldByName("nanos")));
  }
  if (IsStringList(type)) {
    return ToJson(message)["values"];
  }
  return ToJson(message);
}

Json One(const Message& m, const Reflection& r, const FieldDescriptor& f) {
  switch (f.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return r.GetInt32(m, &f);
    case FieldDescriptor::CPPTYPE_INT64:
      return r.GetInt64(m, &f);
    case FieldDescriptor::CPPTYPE_UINT32:
      return r.GetUInt32(m, &f);
    case FieldDescriptor::CPPTYPE_UINT64:
      return r.GetUInt64(m, &f);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return r.GetDouble(m, &f);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return r.GetFloat(m, &f);
    case FieldDescriptor::CPPTYPE_BOOL:
      return r.GetBool(m, &f);
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumName(*r.GetEnum(m, &f));
    case FieldDescriptor::CPPTYPE_STRING:
      return Bytes(f, r.GetString(m, &f));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return r.HasField(m, &f) ? MessageJson(r.GetMessage(m, &f)) : Json(nullptr);
  }
  return nullptr;
}

Json Element(const Message& m, const Reflection& r, const FieldDescriptor& f, int i) {
  switch (f.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return r.GetRepeatedInt32(m, &f, i);
    case FieldDescriptor::CPPTYPE_INT64:
      return r.GetRepeatedInt64(m, &f, i);
    case FieldDescriptor::CPPTYPE_UINT32:
      return r.GetRepeatedUInt32(m, &f, i);
    case FieldDescriptor::CPPTYPE_UINT64:
      return r.GetRepeatedUInt64(m, &f, i);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return r.GetRepeatedDouble(m, &f, i);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return r.GetRepeatedFloat(m, &f, i);
    case FieldDescriptor::CPPTYPE_BOOL:
      return r.GetRepeatedBool(m, &f, i);
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumName(*r.GetRepeatedEnum(m, &f, i));
    case FieldDescriptor::CPPTYPE_STRING:
      return Bytes(f, r.GetRepeatedString(m, &f, i));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return MessageJson(r.GetRepeatedMessage(m, &f, i));
  }
  return nullptr;
}

}  // namespace

std::string EnumName(const google::protobuf::EnumValueDescriptor& value) {
  if (value.number() == 0) {
    return "";
  }
  // ProviderType -> PROVIDER_TYPE_
  size_t prefix = 1;
  const std::string& type = value.type()->name();
  for (size_t i = 0; i < type.size(); ++i) {
    prefix += i > 0 && type[i] >= 'A' && type[i] <= 'Z' ? size_t{2} : size_t{1};
  }
  std::string out = value.name().size() > prefix ? value.name().substr(prefix) : value.name();
  for (char& c : out) {
    c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  return out;
}

Json ToJson(const Message& message) {
  const auto& type = *message.GetDescriptor();
  const Reflection& reflection = *message.GetReflection();
  Json out = Json::object();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (const auto* oneof = field.real_containing_oneof(); oneof != nullptr) {
      const FieldDescriptor* member = reflection.GetOneofFieldDescriptor(message, oneof);
      out[oneof->name()] = member == nullptr ? Json(nullptr) : One(message, reflection, *member);
    } else if (field.is_repeated()) {
      Json list = Json::array();
      const int size = reflection.FieldSize(message, &field);
      for (int k = 0; k < size; ++k) {
        list.push_back(Element(message, reflection, field, k));
      }
      out[field.name()] = std::move(list);
    } else if (!field.has_optional_keyword() || reflection.HasField(message, &field)) {
      out[field.name()] = One(message, reflection, field);
    }
  }
  return out;
}

std::string ToJsonText(const Message& message, int indent) {
  // Text fields may hold bytes that are not UTF-8 only through a bug; dump must not throw on them.
  return ToJson(message).dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace aurora::protojson
