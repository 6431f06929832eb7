#include "dataplane/llm/json_scan.h"

#include "dataplane/llm/json_impl.h"

namespace aurora::llm {
namespace {

using json::Type;
using json::Value;

constexpr simdjson::error_code kOk = simdjson::SUCCESS;

class Scanner {
 public:
  Scanner(std::string_view text, RequestScan& out) : text_(text), out_(out) {}

  void Walk(json::Document& document) {
    json::Object object;
    if (document.get_object().get(object) != kOk) {
      Type type{};
      const bool is_value = document.type().get(type) == kOk && type != Type::object;
      Fail(is_value ? ScanError::kNotAnObject : ScanError::kInvalidJson, "");
      return;
    }
    const size_t open = text_.find('{');
    out_.usage_at = {static_cast<uint32_t>(open + 1), static_cast<uint32_t>(open + 1)};
    out_.empty_object = true;
    for (auto item : object) {
      std::string_view key;
      json::Value value;
      out_.empty_object = false;
      if (item.unescaped_key().get(key) != kOk || item.value().get(value) != kOk) {
        Fail(ScanError::kInvalidJson, "");
        return;
      }
      if (!Field(key, value)) {
        return;
      }
    }
    const char* rest = nullptr;
    if (document.current_location().get(rest) == kOk) {  // something follows the object
      Fail(ScanError::kInvalidJson, "");
    }
  }

 private:
  bool Fail(ScanError error, std::string_view param) {
    out_.error = error;
    out_.param = param;
    return false;
  }

  ByteRange RangeOf(Value& value) const {
    const std::string_view token = value.raw_json_token();
    size_t size = token.size();
    while (size > 0 && (token[size - 1] == ' ' || token[size - 1] == '\n' || token[size - 1] == '\r' ||
                        token[size - 1] == '\t')) {
      --size;
    }
    const auto begin = static_cast<size_t>(token.data() - text_.data());
    return {static_cast<uint32_t>(begin), static_cast<uint32_t>(begin + size)};
  }

  // One top-level member; false = stop. Keys are dispatched by length, most requests hold none of the others.
  bool Field(std::string_view key, Value& value) {
    switch (key.size()) {
      case 4:
        return key != "user" || Ignore(value.get_string().get(out_.user));
      case 5:
        return key != "model" || Model(value);
      case 6:
        return key != "stream" || Stream(value);
      case 10:
        out_.has_max_tokens = out_.has_max_tokens || key == "max_tokens";
        return true;
      case 14:
        return key != "stream_options" || Options(value);
      case 17:
        out_.has_max_tokens = out_.has_max_tokens || key == "max_output_tokens";
        return true;
      case 21:
        out_.has_max_tokens = out_.has_max_tokens || key == "max_completion_tokens";
        return true;
      default:
        return true;
    }
  }

  // `user` of another type is the provider's to refuse.
  bool Ignore(simdjson::error_code error) {
    if (error != kOk) {
      out_.user = {};
    }
    return true;
  }

  bool Model(Value& value) {
    if (out_.has_model) {
      return Fail(ScanError::kDuplicateKey, "model");
    }
    Type type{};
    if (value.type().get(type) != kOk) {
      return Fail(ScanError::kInvalidJson, "model");
    }
    if (type != Type::string) {
      return Fail(ScanError::kWrongType, "model");
    }
    out_.model_at = RangeOf(value);
    if (value.get_string().get(out_.model) != kOk) {
      return Fail(ScanError::kInvalidJson, "model");
    }
    out_.has_model = true;
    return true;
  }

  bool Stream(Value& value) {
    if (saw_stream_) {
      return Fail(ScanError::kDuplicateKey, "stream");
    }
    saw_stream_ = true;
    return Flag(value, "stream", out_.stream);
  }

  // A boolean or null.
  bool Flag(Value& value, std::string_view name, bool& out) {
    Type type{};
    if (value.type().get(type) != kOk) {
      return Fail(ScanError::kInvalidJson, name);
    }
    if (type == Type::null) {
      out = false;
      bool is_null = false;  // the type was told by the first byte alone
      return value.is_null().get(is_null) == kOk && is_null ? true : Fail(ScanError::kInvalidJson, name);
    }
    if (type != Type::boolean) {
      return Fail(ScanError::kWrongType, name);
    }
    return value.get_bool().get(out) == kOk ? true : Fail(ScanError::kInvalidJson, name);
  }

  bool Options(Value& value) {
    if (saw_options_) {
      return Fail(ScanError::kDuplicateKey, "stream_options");
    }
    saw_options_ = true;
    Type type{};
    if (value.type().get(type) != kOk) {
      return Fail(ScanError::kInvalidJson, "stream_options");
    }
    const ByteRange range = RangeOf(value);
    if (type == Type::null) {
      out_.usage_edit = UsageEdit::kReplaceOptions;
      out_.usage_at = range;
      return true;
    }
    json::Object object;
    if (type != Type::object || value.get_object().get(object) != kOk) {
      return Fail(ScanError::kWrongType, "stream_options");
    }
    out_.usage_edit = UsageEdit::kInsertInEmptyOptions;
    out_.usage_at = {range.begin + 1, range.begin + 1};
    bool saw_flag = false;
    for (auto item : object) {
      std::string_view key;
      Value member;
      if (item.unescaped_key().get(key) != kOk || item.value().get(member) != kOk) {
        return Fail(ScanError::kInvalidJson, "stream_options");
      }
      if (key != "include_usage") {
        if (!saw_flag) {
          out_.usage_edit = UsageEdit::kInsertInOptions;
        }
        continue;
      }
      if (saw_flag) {
        return Fail(ScanError::kDuplicateKey, "stream_options.include_usage");
      }
      saw_flag = true;
      out_.usage_at = RangeOf(member);
      bool asked = false;
      if (!Flag(member, "stream_options.include_usage", asked)) {
        return false;
      }
      out_.usage_edit = asked ? UsageEdit::kNone : UsageEdit::kReplaceFlag;
    }
    return true;
  }

  std::string_view text_;
  RequestScan& out_;
  bool saw_stream_ = false;
  bool saw_options_ = false;
};

}  // namespace

void ScanRequest(JsonParser& parser, std::string_view text, RequestScan& out) {
  out = RequestScan{};
  json::Document document;
  if (!json::Parse(parser, text, document)) {
    out.error = ScanError::kInvalidJson;
    return;
  }
  Scanner(text, out).Walk(document);
}

std::string_view UsageEditText(UsageEdit edit, bool empty_object) {
  switch (edit) {
    case UsageEdit::kNone:
      return "";
    case UsageEdit::kInsertMember:
      return empty_object ? R"("stream_options":{"include_usage":true})"
                          : R"("stream_options":{"include_usage":true},)";
    case UsageEdit::kInsertInOptions:
      return R"("include_usage":true,)";
    case UsageEdit::kInsertInEmptyOptions:
      return R"("include_usage":true)";
    case UsageEdit::kReplaceOptions:
      return R"({"include_usage":true})";
    case UsageEdit::kReplaceFlag:
      return "true";
  }
  return "";
}

}  // namespace aurora::llm
