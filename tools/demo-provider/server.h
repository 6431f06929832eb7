// Server: the demo provider on a loop: accepts, decodes, paces the answers, keeps the record.
// Source: ours. Thread: the loop's.   Bounds: bodies up to 64 MiB; one answer at a time for each connection.
// Errors: a malformed request is answered with the decoder's status and the connection closed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "shared/http/decoder.h"
#include "shared/uv/tcp.h"
#include "tools/demo-provider/record.h"

namespace aurora::demo {

class Connection;

class Server : public uv::ListenerObserver {
 public:
  static absl::StatusOr<std::unique_ptr<Server>> Open(uv::Loop& loop, const std::string& host, uint16_t port);
  ~Server() override;

  void OnAccept(std::unique_ptr<uv::TcpStream> stream) override;

  uv::Loop& loop() { return loop_; }
  Record& record() { return record_; }
  const http::Limits& limits() const { return limits_; }
  http::HeadScratch* scratch() { return &scratch_; }
  uint16_t port() const { return listener_->port(); }
  // Destroys the connection after the callbacks of this iteration.
  void Remove(Connection* connection);

 private:
  explicit Server(uv::Loop& loop);

  uv::Loop& loop_;
  const http::Limits limits_;
  http::HeadScratch scratch_;
  Record record_;
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
  std::unique_ptr<uv::TcpListener> listener_;
};

}  // namespace aurora::demo
