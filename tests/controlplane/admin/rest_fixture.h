// The REST face over the backend of face_fixture.h, on a loop of its own.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "controlplane/admin/rest_face.h"
#include "tests/controlplane/admin/face_fixture.h"

namespace aurora::admin::testing {

class Rest {
 public:
  explicit Rest(std::string_view master_key = kMasterKey, config::TlsFiles tls = {},
                std::span<const kinds::Kind> kinds = kinds::All())
      : backend_(kinds), token_(crypto::Secret(master_key)) {
    loop_.On([this, &tls] {
      RestFace::Options options;
      options.handlers = &backend_.handlers();
      options.token = &token_;
      options.store_open = [this] { return backend_.store().state().state == store::State::kOpen; };
      options.tls = tls;
      options.node_id = "n1";
      options.unix_ms = [this] { return backend_.now_ms.load(); };
      auto face = RestFace::Open(loop_.loop(), loop_.mailbox(), std::move(options));
      REQUIRE(face.ok());
      face_ = *std::move(face);
      port_ = face_->port();
    });
  }
  ~Rest() {
    loop_.On([this] { face_.reset(); });
    backend_.End();
  }

  HttpAnswer Call(const std::string& method, const std::string& path, const std::string& body = "",
                  const std::string& headers = "Content-Type: application/json\r\n") const {
    return Http(port_, method, "/admin/api/v1/" + path,
                "Authorization: Bearer " + std::string(kMasterKey) + "\r\n" + headers,
                body);
  }
  HttpAnswer Anonymous(const std::string& headers) const {
    return Http(port_, "GET", "/admin/api/v1/cluster/status", headers);
  }
  Backend& backend() { return backend_; }
  uint16_t port() const { return port_; }

 private:
  Backend backend_;
  TokenCheck token_;
  LoopThread loop_;
  std::unique_ptr<RestFace> face_;
  uint16_t port_ = 0;
};

}  // namespace aurora::admin::testing
