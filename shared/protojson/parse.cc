// Text to a JSON value through nlohmann's SAX interface: the DOM parser would accept duplicate keys
// silently and recurse as deep as the text says.
#include <utility>

#include <nlohmann/json.hpp>

#include "shared/base/status.h"
#include "shared/config/value.h"
#include "shared/protojson/protojson.h"

namespace aurora::protojson {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxMembers = 1024;

class Builder : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(int max_depth) : max_depth_(max_depth) {}

  bool null() override { return Add(nullptr); }
  bool boolean(bool v) override { return Add(v); }
  bool number_integer(number_integer_t v) override { return Add(v); }
  bool number_unsigned(number_unsigned_t v) override { return Add(v); }
  bool number_float(number_float_t v, const string_t&) override { return Add(v); }
  bool string(string_t& v) override { return Add(std::move(v)); }
  bool binary(binary_t&) override { return false; }

  bool start_object(size_t) override { return Open(Json::object()); }
  bool start_array(size_t) override { return Open(Json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool key(string_t& name) override {
    // Members are looked up one by one: without a bound a body of short keys costs the square of
    // its length.
    if (stack_.back().value.size() >= kMaxMembers) {
      error_ = "an object with more than " + std::to_string(kMaxMembers) + " members";
      return false;
    }
    if (stack_.back().value.contains(name)) {
      error_ = config::Quoted(name) + " is given twice";
      return false;
    }
    // Reserves the place: order is the text's.
    stack_.back().value[name] = nullptr;
    stack_.back().key = std::move(name);
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    error_ = "not JSON at byte " + std::to_string(position);
    return false;
  }

  const std::string& error() const { return error_; }
  Json Take() { return std::move(root_); }

 private:
  struct Level {
    Json value;
    std::string key;
  };

  bool Add(Json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
    } else if (Level& top = stack_.back(); top.value.is_object()) {
      top.value[top.key] = std::move(value);
    } else {
      top.value.push_back(std::move(value));
    }
    return true;
  }

  bool Open(Json value) {
    if (static_cast<int>(stack_.size()) >= max_depth_) {
      error_ = "nested deeper than " + std::to_string(max_depth_) + " levels";
      return false;
    }
    stack_.push_back({std::move(value), ""});
    return true;
  }

  bool Close() {
    Json done = std::move(stack_.back().value);
    stack_.pop_back();
    return Add(std::move(done));
  }

  int max_depth_;
  std::vector<Level> stack_;
  Json root_;
  std::string error_;
};

}  // namespace

absl::StatusOr<Json> Parse(std::string_view json, const Limits& limits) {
  if (json.size() > limits.max_bytes) {
    return InvalidArgument("longer than " + std::to_string(limits.max_bytes) + " bytes");
  }
  Builder builder(limits.max_depth);
  if (!Json::sax_parse(json.begin(), json.end(), &builder)) {
    return InvalidArgument(builder.error().empty() ? "not JSON" : builder.error());
  }
  return builder.Take();
}

}  // namespace aurora::protojson
