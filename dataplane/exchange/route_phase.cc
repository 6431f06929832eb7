// Route: from a whole body to candidates, or to the answer why there are none.
#include <algorithm>
#include <array>

#include "dataplane/exchange/state.h"
#include "dataplane/policy/access.h"
#include "shared/http/url.h"

namespace aurora::exchange {
namespace {

// The model that a passthrough path names: "…/models/{m}:verb", "…/deployments/{m}/…"; "" when it names none.
std::string_view ModelInPath(std::string_view path) {
  for (const std::string_view marker : {std::string_view("/deployments/"), std::string_view("/models/")}) {
    const size_t at = path.find(marker);
    if (at != std::string_view::npos) {
      const std::string_view rest = path.substr(at + marker.size());
      return rest.substr(0, rest.find_first_of("/:"));
    }
  }
  return {};
}

}  // namespace

void Exchange::State::RouteRequest(Outbox& out) {
  if (request.endpoint->handling == Handling::kPassthrough) {
    RoutePassthrough(out);
  } else {
    RouteModel(out);
  }
}

// Reads the body's top level; false when the request was answered.
bool Exchange::State::ScanBody(Outbox& out) {
  llm::RequestScan scan;
  llm::ScanRequest(ctx.tools->json, request.body(), scan);
  switch (scan.error) {
    case llm::ScanError::kNone:
      break;
    case llm::ScanError::kInvalidJson:
      Fail({400, "invalid_json", "The body is not valid JSON.", scan.param}, model::Outcome::kClientError, out);
      return false;
    case llm::ScanError::kNotAnObject:
      Fail({400, "invalid_json", "The body must be a JSON object.", scan.param}, model::Outcome::kClientError, out);
      return false;
    case llm::ScanError::kDuplicateKey:
      Fail({400, "duplicate_key", Join({"The key '", scan.param, "' occurs twice."}), scan.param},
           model::Outcome::kClientError, out);
      return false;
    case llm::ScanError::kWrongType:
      Fail({400, "invalid_type", Join({"'", scan.param, "' has the wrong type."}), scan.param},
           model::Outcome::kClientError, out);
      return false;
  }
  request.model_at = scan.model_at;
  request.usage_at = scan.usage_at;
  request.usage_edit = scan.usage_edit;
  request.empty_object = scan.empty_object;
  request.stream = scan.stream;
  record.stream = scan.stream;
  if (!scan.has_model || scan.model.empty()) {
    Fail({400, "missing_model", "The body must name a model.", "model"}, model::Outcome::kClientError, out);
    return false;
  }
  record.model = scan.model;
  if (scan.model.size() > kModelNameMax) {
    Fail({404, "model_not_found", "There is no model with such a long name.", "model"},
         model::Outcome::kClientError, out);
    return false;
  }
  request.asked_size = static_cast<uint32_t>(scan.model.size());
  const std::string_view asked = ctx.arena->Copy(scan.model);  // the parser's text may be in the buffer that grows
  request.keep.Append(*ctx.buffers, asked);
  ctx.tools->json.Trim();
  return true;
}

void Exchange::State::RouteModel(Outbox& out) {
  if (!ScanBody(out)) {
    return;
  }
  const routing::Question question{request.asked(), request.endpoint->endpoint, request.secret->key.get(), ctx.now};
  routing::Resolve(catalog(), question, *ctx.health, attempt.route);
  if (attempt.route.error != routing::RouteError::kNone) {
    AnswerRouteError(out);
    return;
  }
  StartAttempt(out);
}

void Exchange::State::AnswerRouteError(Outbox& out) {
  const std::string_view asked = request.asked();
  switch (attempt.route.error) {
    case routing::RouteError::kNone:
      return;
    case routing::RouteError::kUnsupported: {
      const model::Provider& provider = ProviderOf(attempt.route.blocking_provider);
      record.provider = provider.name;
      Fail({501, "unsupported_operation",
            Join({"Provider '", provider.name, "' does not serve ", request.endpoint->path, "; ",
                  routing::WhoServes(request.endpoint->endpoint), "."}),
            "model"},
           model::Outcome::kClientError, out);
      return;
    }
    case routing::RouteError::kForbidden:
      Fail({403, "model_not_allowed", Join({"This API key may not use the model '", asked, "'."}), "model"},
           model::Outcome::kRejected, out);
      return;
    case routing::RouteError::kNotFound: {
      if (catalog().aliases.contains(asked)) {
        Fail({404, "model_not_found",
              Join({"The alias '", asked,
                    "' leads to no model that is served here; its targets are models, not aliases."}),
              "model"},
             model::Outcome::kClientError, out);
        return;
      }
      std::array<std::string_view, 3> names;
      const size_t n = routing::NearestNames(catalog(), *request.secret->key, asked, names);
      const std::string_view message =
          n == 0 ? Join({"There is no model '", asked, "' here; GET /v1/models lists those there are."})
                 : Join({"There is no model '", asked, "' here. Did you mean '", names[0], n > 1 ? "', '" : "",
                         n > 1 ? names[1] : "", n > 2 ? "', '" : "", n > 2 ? names[2] : "", "'?"});
      Fail({404, "model_not_found", message, "model"}, model::Outcome::kClientError, out);
      return;
    }
  }
}

// "/p/{provider}/rest?query": the provider is named, its model rules still apply.
void Exchange::State::RoutePassthrough(Outbox& out) {
  const std::string_view path = http::PathOf(request.target());
  const size_t name_end = std::min(path.find('/', 3), path.size());
  const std::string_view name = path.substr(3, name_end - 3);
  const std::string_view rest = path.substr(name_end);
  if (!http::IsSafePath(path)) {
    Fail({400, "invalid_path", "The path must not hold dot segments or encoded slashes.", ""},
         model::Outcome::kClientError, out);
    return;
  }
  const auto found = catalog().provider_by_name.find(name);
  const model::AuthKey& key = *request.secret->key;
  if (found == catalog().provider_by_name.end()) {
    Fail({404, "provider_not_found", Join({"There is no provider '", name.substr(0, 64), "'."}), ""},
         model::Outcome::kClientError, out);
    return;
  }
  const model::Provider& provider = ProviderOf(found->second);
  record.provider = provider.name;
  record.provider_slot = provider.slot;
  if (!policy::ProviderAllowed(key, provider.name)) {
    Fail({403, "provider_not_allowed", Join({"This API key may not use the provider '", name, "'."}), ""},
         model::Outcome::kRejected, out);
    return;
  }
  const std::string_view in_path = ModelInPath(rest);
  std::string_view in_body;
  llm::RequestScan scan;
  bool readable = in_path.find('%') == std::string_view::npos;
  if (!request.body().empty()) {
    llm::ScanRequest(ctx.tools->json, request.body(), scan);
    const bool is_json = scan.error == llm::ScanError::kNone;
    readable = readable && is_json;
    in_body = is_json ? ctx.arena->Copy(scan.model) : std::string_view();
    request.stream = record.stream = is_json && scan.stream;
    ctx.tools->json.Trim();
  }
  const std::string_view asked = !in_path.empty() ? in_path : in_body;
  record.model = asked;
  if (policy::RulesNeedModel(key, catalog()) && (!readable || asked.empty())) {
    Fail({403, "model_not_readable", "This API key's rules need the model, and the request does not show it.", ""},
         model::Outcome::kRejected, out);
    return;
  }
  // A body and a path that name different models must both be allowed: the provider decides which one it reads.
  for (const std::string_view model : {in_path, in_body}) {
    if ((!model.empty() || asked.empty()) && !policy::MayUse(key, catalog(), {provider.name, model, ""})) {
      Fail({403, "model_not_allowed", Join({"This API key may not use the model '", model.substr(0, 128), "'."}),
            "model"},
           model::Outcome::kRejected, out);
      return;
    }
  }
  attempt.route.count = 1;
  attempt.route.error = routing::RouteError::kNone;
  attempt.route.candidates[0] = {found->second, routing::kNoModel, 0};
  StartAttempt(out);
}

}  // namespace aurora::exchange
