#include "dataplane/snapshot/discovery.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <condition_variable>
#include <iterator>
#include <map>
#include <mutex>
#include <thread>

#include <nlohmann/json.hpp>

#include "dataplane/snapshot/discovery_http.h"
#include "shared/base/status.h"

namespace aurora::snapshot {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kNameMax = 256;
constexpr size_t kCursorMax = 1024;
constexpr std::array kRetryAfter = {std::chrono::seconds(5), std::chrono::seconds(30),
                                    std::chrono::seconds(60)};

// What makes two descriptions of a provider the same to discovery.
std::string Fingerprint(const model::Provider& p) {
  std::string out = p.authority + p.base_path + (p.tls ? "s" : "") + p.ca_file;
  for (const model::Credential& c : p.credentials) {
    out += c.header_lines;
  }
  return out;
}

// A cursor comes from the provider: it goes back as one query value, whatever it holds.
std::string NextPage(std::string_view parameter, std::string_view cursor) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out(parameter);
  for (const char c : cursor.substr(0, kCursorMax)) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.') {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

int64_t UnixMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

bool CanDiscover(const model::Provider& provider) {
  return provider.models.empty() && provider.type != model::ProviderType::kAzure;
}

std::string_view ModelListPath(const model::Provider& provider) {
  switch (provider.dialect) {
    case model::Dialect::kAnthropic:
      // The default page holds 20.
      return provider.base_path.ends_with("/v1") ? "/models?limit=1000" : "/v1/models?limit=1000";
    case model::Dialect::kGemini:
      return "/v1beta/models?pageSize=1000";  // the default page holds 50
    case model::Dialect::kOpenAi:
      return provider.base_path.empty() ? "/v1/models" : "/models";
  }
  return "/models";
}

absl::StatusOr<ModelPage> ParseModelList(model::Dialect dialect, std::string_view json) {
  const auto root = nlohmann::json::parse(json, nullptr, false);
  const bool gemini = dialect == model::Dialect::kGemini;
  const char* list_name = gemini ? "models" : "data";
  if (!root.is_object() || !root.contains(list_name) || !root[list_name].is_array()) {
    return InvalidArgument(std::string("the model list is not JSON with an array `") + list_name +
                           "`");
  }
  ModelPage page;
  for (const auto& entry : root[list_name]) {
    const char* name = gemini ? "name" : "id";
    if (!entry.is_object() || !entry.contains(name) || !entry[name].is_string()) {
      continue;
    }
    DiscoveredModel m;
    m.id = entry[name].get<std::string>();
    if (gemini && m.id.starts_with("models/")) {
      m.id.erase(0, 7);
    }
    if (entry.contains("created") && entry["created"].is_number_integer()) {
      m.created_s = entry["created"].get<int64_t>();
    }
    if (!m.id.empty() && m.id.size() <= kNameMax && page.models.size() < kModelsMax) {
      page.models.push_back(std::move(m));
    }
  }
  const auto text = [&](const char* name) {
    const auto it = root.find(name);
    return it != root.end() && it->is_string() ? it->get<std::string>() : std::string();
  };
  if (gemini) {
    page.next = text("nextPageToken").empty() ? "" : NextPage("pageToken=", text("nextPageToken"));
  } else if (const auto more = root.find("has_more");
             more != root.end() && more->is_boolean() && more->get<bool>()) {
    page.next = text("last_id").empty() ? "" : NextPage("after_id=", text("last_id"));
  }
  return page;
}

absl::StatusOr<std::vector<DiscoveredModel>> FetchModels(const model::Provider& provider,
                                                         const Via* via) {
  std::vector<DiscoveredModel> all;
  const std::string path(ModelListPath(provider));
  std::string next;
  for (size_t i = 0; i < kPagesMax && all.size() < kModelsMax; ++i) {
    const char* separator = path.find('?') == std::string::npos ? "?" : "&";
    AURORA_ASSIGN_OR_RETURN(std::string body,
                            Get(provider, next.empty() ? path : path + separator + next, via));
    AURORA_ASSIGN_OR_RETURN(ModelPage page, ParseModelList(provider.dialect, body));
    page.models.resize(std::min(page.models.size(), kModelsMax - all.size()));
    all.insert(all.end(), std::make_move_iterator(page.models.begin()),
               std::make_move_iterator(page.models.end()));
    // The same cursor again would be asked for ever.
    if (page.next.empty() || page.next == next) {
      break;
    }
    next = std::move(page.next);
  }
  return all;
}

class Discovery::Thread {
 public:
  explicit Thread(DiscoveryOptions options) : options_(std::move(options)), started_(Clock::now()) {
    thread_ = std::thread([this] { Run(); });
  }

  ~Thread() {
    {
      const std::lock_guard lock(mu_);
      stop_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  void SetCatalog(std::shared_ptr<const model::Catalog> catalog) {
    {
      const std::lock_guard lock(mu_);
      if (catalog == catalog_) {
        return;
      }
      catalog_ = std::move(catalog);
      catalog_new_ = true;
    }
    wake_.notify_all();
  }

  bool first_round_done() const {
    const std::lock_guard lock(mu_);
    return first_round_done_ ||
           Clock::now() - started_ > std::chrono::microseconds(options_.first_round_max.micros());
  }

  std::vector<ProviderDiscovery> state() const {
    const std::lock_guard lock(mu_);
    std::vector<ProviderDiscovery> out;
    for (const auto& [name, job] : jobs_) {
      out.push_back(job.report);
    }
    return out;
  }

 private:
  struct Job {
    std::string fingerprint;
    Clock::time_point due;
    size_t failures = 0;
    bool tried = false;
    ProviderDiscovery report;
  };

  void Run() {
    std::unique_lock lock(mu_);
    while (!stop_) {
      if (catalog_new_) {
        catalog_new_ = false;
        Plan();
      }
      const auto next = std::min_element(
          jobs_.begin(), jobs_.end(),
          [](const auto& a, const auto& b) { return a.second.due < b.second.due; });
      if (next == jobs_.end()) {
        wake_.wait(lock, [&] { return stop_ || catalog_new_; });
      } else if (next->second.due > Clock::now()) {
        wake_.wait_until(lock, next->second.due, [&] { return stop_ || catalog_new_; });
      } else {
        Ask(next->first, lock);
      }
    }
  }

  // Requires mu_.
  void Plan() {
    std::map<std::string, Job> jobs;
    for (const model::Provider& p : catalog_->providers) {
      if (!CanDiscover(p)) {
        continue;
      }
      const auto old = jobs_.find(p.name);
      std::string fingerprint = Fingerprint(p);
      if (old != jobs_.end() && old->second.fingerprint == fingerprint) {
        jobs.insert(*old);
      } else {
        Job job;
        job.fingerprint = std::move(fingerprint);
        job.due = Clock::now();
        job.report.provider = p.name;
        jobs.emplace(p.name, std::move(job));
      }
    }
    jobs_ = std::move(jobs);
    NoteRound();
  }

  // Requires mu_; lets go of it while the request runs.
  void Ask(const std::string& name, std::unique_lock<std::mutex>& lock) {
    const auto catalog = catalog_;
    const auto found = catalog->provider_by_name.find(name);
    if (found == catalog->provider_by_name.end()) {
      jobs_.erase(name);
      return;
    }
    const model::Provider& provider = catalog->providers[found->second];
    const std::string fingerprint = jobs_.at(name).fingerprint;
    lock.unlock();
    const std::optional<Via> via = options_.via ? options_.via(provider) : std::nullopt;
    auto models = FetchModels(provider, via.has_value() ? &*via : nullptr);
    if (models.ok()) {
      options_.on_models(provider.name, *models);
    }
    lock.lock();
    const auto it = jobs_.find(provider.name);
    if (it == jobs_.end() || it->second.fingerprint != fingerprint) {
      return;  // changed meanwhile: planned anew
    }
    Job& job = it->second;
    job.tried = true;
    if (models.ok()) {
      job.failures = 0;
      job.report.models = models->size();
      job.report.fetched_unix_ms = UnixMs();
      job.report.error.clear();
      job.due = Clock::now() + std::chrono::microseconds(options_.refresh_every.micros());
    } else {
      job.report.error = Std(models.status().message());
      job.due = Clock::now() + kRetryAfter[std::min(job.failures, kRetryAfter.size() - 1)];
      ++job.failures;
    }
    NoteRound();
  }

  // Requires mu_.
  void NoteRound() {
    first_round_done_ =
        first_round_done_ ||
        std::all_of(jobs_.begin(), jobs_.end(), [](const auto& j) { return j.second.tried; });
  }

  const DiscoveryOptions options_;
  const Clock::time_point started_;

  mutable std::mutex mu_;
  std::condition_variable wake_;
  bool stop_ = false;                              // guarded by mu_
  bool catalog_new_ = false;                       // guarded by mu_
  bool first_round_done_ = false;                  // guarded by mu_
  std::shared_ptr<const model::Catalog> catalog_;  // guarded by mu_
  std::map<std::string, Job> jobs_;                // guarded by mu_
  std::thread thread_;
};

Discovery::Discovery(DiscoveryOptions options)
    : thread_(std::make_unique<Thread>(std::move(options))) {}
Discovery::~Discovery() = default;
void Discovery::SetCatalog(std::shared_ptr<const model::Catalog> catalog) {
  thread_->SetCatalog(std::move(catalog));
}
bool Discovery::first_round_done() const {
  return thread_->first_round_done();
}
std::vector<ProviderDiscovery> Discovery::state() const {
  return thread_->state();
}

}  // namespace aurora::snapshot
