#include <limits>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <nlohmann/json.hpp>

#include "shared/base/status.h"
#include "shared/config/value.h"
#include "shared/crypto/encoding.h"
#include "shared/protojson/names.h"
#include "shared/protojson/protojson.h"

namespace aurora::protojson {
namespace {

using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::OneofDescriptor;
using google::protobuf::Reflection;
using Json = nlohmann::ordered_json;

absl::Status Wrong(std::string_view path, std::string_view want) {
  return InvalidArgument(std::string(path) + ": want " + std::string(want));
}

absl::Status MergeObject(const Json& json, std::string_view path, Message* out);

template <class T>
absl::StatusOr<T> Integer(const Json& json, std::string_view path) {
  const std::string range = std::to_string(std::numeric_limits<T>::min()) + " to " +
                            std::to_string(std::numeric_limits<T>::max());
  if (json.is_number_unsigned()) {
    const uint64_t v = json.get<uint64_t>();
    if (v <= static_cast<uint64_t>(std::numeric_limits<T>::max())) {
      return static_cast<T>(v);
    }
    return Wrong(path, "an integer from " + range);
  }
  if (json.is_number_integer()) {
    const int64_t v = json.get<int64_t>();
    if constexpr (std::is_signed_v<T>) {
      if (v >= std::numeric_limits<T>::min() && v <= std::numeric_limits<T>::max()) {
        return static_cast<T>(v);
      }
    }
  }
  return Wrong(path, "an integer from " + range);
}

absl::StatusOr<std::string> Text(const FieldDescriptor& field, const Json& json,
                                 std::string_view path) {
  if (!json.is_string()) {
    return Wrong(path, "a string");
  }
  const auto& text = json.get_ref<const std::string&>();
  if (field.type() != FieldDescriptor::TYPE_BYTES) {
    return text;
  }
  auto bytes = crypto::Base64Decode(text);
  if (!bytes.has_value()) {
    return Wrong(path, "base64");
  }
  return *std::move(bytes);
}

absl::StatusOr<const EnumValueDescriptor*> Enum(const FieldDescriptor& field, const Json& json,
                                                std::string_view path) {
  std::string names;
  for (int i = 0; i < field.enum_type()->value_count(); ++i) {
    const EnumValueDescriptor* value = field.enum_type()->value(i);
    const std::string name = EnumName(*value);
    if (json.is_string() && json.get_ref<const std::string&>() == name) {
      return value;
    }
    if (!name.empty()) {
      names += (names.empty() ? "" : ", ") + name;
    }
  }
  return Wrong(path, "one of " + names);
}

absl::Status FromTime(const Json& json, std::string_view path, Message* out) {
  if (!json.is_string()) {
    return Wrong(path, "an RFC 3339 time such as \"2026-07-28T10:00:00Z\", or null");
  }
  const absl::StatusOr<Time> time = ParseTime(json.get_ref<const std::string&>());
  if (!time.ok()) {
    return WithContext(path, time.status());
  }
  const auto& type = *out->GetDescriptor();
  out->GetReflection()->SetInt64(out, type.FindFieldByName("seconds"), time->seconds);
  out->GetReflection()->SetInt32(out, type.FindFieldByName("nanos"), time->nanos);
  return absl::OkStatus();
}

absl::Status FromList(const Json& json, std::string_view path, Message* out) {
  if (!json.is_array()) {
    return Wrong(path, "an array of strings, or null");
  }
  Json wrapped = Json::object();
  wrapped["values"] = json;
  const absl::Status status = MergeObject(wrapped, path, out);
  return status.ok() ? status : Wrong(path, "an array of strings, or null");
}

absl::Status FromValue(const Json& json, std::string_view path, Message* out) {
  if (IsTimestamp(*out->GetDescriptor())) {
    return FromTime(json, path, out);
  }
  return IsStringList(*out->GetDescriptor()) ? FromList(json, path, out)
                                             : MergeObject(json, path, out);
}

// Sets a singular field or adds an element: `set` is called with the converted value.
template <class T, class Set>
absl::Status Put(const absl::StatusOr<T>& value, Set set) {
  if (value.ok()) {
    set(*value);
  }
  return value.status();
}

absl::Status PutScalar(const Json& json, std::string_view path, const FieldDescriptor* f,
                       Message* m) {
  const Reflection& r = *m->GetReflection();
  const bool add = f->is_repeated();
  switch (f->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return Put(Integer<int32_t>(json, path),
                 [&](int32_t v) { add ? r.AddInt32(m, f, v) : r.SetInt32(m, f, v); });
    case FieldDescriptor::CPPTYPE_INT64:
      return Put(Integer<int64_t>(json, path),
                 [&](int64_t v) { add ? r.AddInt64(m, f, v) : r.SetInt64(m, f, v); });
    case FieldDescriptor::CPPTYPE_UINT32:
      return Put(Integer<uint32_t>(json, path),
                 [&](uint32_t v) { add ? r.AddUInt32(m, f, v) : r.SetUInt32(m, f, v); });
    case FieldDescriptor::CPPTYPE_UINT64:
      return Put(Integer<uint64_t>(json, path),
                 [&](uint64_t v) { add ? r.AddUInt64(m, f, v) : r.SetUInt64(m, f, v); });
    case FieldDescriptor::CPPTYPE_STRING:
      return Put(Text(*f, json, path),
                 [&](const std::string& v) { add ? r.AddString(m, f, v) : r.SetString(m, f, v); });
    case FieldDescriptor::CPPTYPE_ENUM:
      return Put(Enum(*f, json, path), [&](const EnumValueDescriptor* v) {
        add ? r.AddEnum(m, f, v) : r.SetEnum(m, f, v);
      });
    case FieldDescriptor::CPPTYPE_BOOL:
      if (!json.is_boolean()) {
        return Wrong(path, "true or false");
      }
      add ? r.AddBool(m, f, json.get<bool>()) : r.SetBool(m, f, json.get<bool>());
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT: {
      if (!json.is_number()) {
        return Wrong(path, "a number");
      }
      const double v = json.get<double>();
      if (f->cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE) {
        add ? r.AddDouble(m, f, v) : r.SetDouble(m, f, v);
      } else {
        add ? r.AddFloat(m, f, static_cast<float>(v)) : r.SetFloat(m, f, static_cast<float>(v));
      }
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return FromValue(json, path, add ? r.AddMessage(m, f) : r.MutableMessage(m, f));
  }
  return Internal("a field type protojson does not know");
}

absl::Status PutField(const Json& json, const std::string& path, const FieldDescriptor* field,
                      Message* out) {
  if (json.is_null()) {
    out->GetReflection()->ClearField(out, field);
    return absl::OkStatus();
  }
  if (!field->is_repeated()) {
    return PutScalar(json, path, field, out);
  }
  if (!json.is_array()) {
    return Wrong(path, "an array");
  }
  size_t i = 0;
  for (const Json& element : json) {
    AURORA_RETURN_IF_ERROR(PutScalar(element, path + "[" + std::to_string(i++) + "]", field, out));
  }
  return absl::OkStatus();
}

absl::Status Unknown(const Message& message, std::string_view path, const std::string& name) {
  std::vector<std::string> known;
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    const OneofDescriptor* oneof = field.real_containing_oneof();
    known.push_back(oneof == nullptr ? field.name() : oneof->name());
  }
  const std::string near = config::Nearest(name, known);
  std::string quoted = config::Quoted(name);
  const bool plain =
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
      std::string::npos;
  if (plain) {
    quoted = quoted.substr(1, quoted.size() - 2);
  }
  return InvalidArgument(std::string(path) + quoted + ": no such field" +
                         (near.empty() ? "" : ", did you mean " + near + "?"));
}

// The member of `oneof` that the object's "type" names.
absl::StatusOr<const FieldDescriptor*> Member(const Json& object, const OneofDescriptor& oneof,
                                              std::string_view path) {
  const auto type = object.find("type");
  std::string names;
  for (int i = 0; i < oneof.field_count(); ++i) {
    if (type != object.end() && type->is_string() && type->get_ref<const std::string&>() == oneof.field(i)->name()) {
      return oneof.field(i);
    }
    names += (i == 0 ? "" : ", ") + oneof.field(i)->name();
  }
  return Wrong(path, "a type beside it, one of " + names);
}

const OneofDescriptor* FindOneof(const Message& message, const std::string& name) {
  const auto& type = *message.GetDescriptor();
  for (int i = 0; i < type.real_oneof_decl_count(); ++i) {
    if (type.oneof_decl(i)->name() == name) {
      return type.oneof_decl(i);
    }
  }
  return nullptr;
}

absl::Status MergeObject(const Json& json, std::string_view path, Message* out) {
  if (!json.is_object()) {
    return path.empty() ? InvalidArgument("want a JSON object") : Wrong(path, "an object, or null");
  }
  const std::string prefix = path.empty() ? "" : std::string(path) + ".";
  for (const auto& [name, value] : json.items()) {
    const FieldDescriptor* field = out->GetDescriptor()->FindFieldByName(name);
    std::string at = prefix;
    at += name;
    if (const OneofDescriptor* oneof = FindOneof(*out, name); oneof != nullptr) {
      AURORA_ASSIGN_OR_RETURN(field, Member(json, *oneof, at));
    } else if (field == nullptr || field->real_containing_oneof() != nullptr) {
      return Unknown(*out, prefix, name);
    }
    AURORA_RETURN_IF_ERROR(PutField(value, at, field, out));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> FromJson(const Json& json, Message* out,
                                                  std::string_view path) {
  out->Clear();
  AURORA_RETURN_IF_ERROR(MergeObject(json, path, out));
  std::vector<std::string> present;
  for (const auto& [name, value] : json.items()) {
    present.push_back(name);
  }
  return present;
}

absl::StatusOr<std::vector<std::string>> FromJsonText(std::string_view json, Message* out,
                                                      const Limits& limits) {
  AURORA_ASSIGN_OR_RETURN(const Json parsed, Parse(json, limits));
  return FromJson(parsed, out);
}

}  // namespace aurora::protojson
