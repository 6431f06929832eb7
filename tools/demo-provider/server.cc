#include "tools/demo-provider/server.h"

#include <utility>

#include "tools/demo-provider/connection.h"

namespace aurora::demo {

absl::StatusOr<std::unique_ptr<Server>> Server::Open(uv::Loop& loop, const std::string& host, uint16_t port) {
  std::unique_ptr<Server> server(new Server(loop));
  uv::TcpListener::Options options;
  options.host = host;
  options.port = port;
  options.backlog = 4096;
  absl::StatusOr<std::unique_ptr<uv::TcpListener>> listener =
      uv::TcpListener::Open(loop, options, server.get());
  if (!listener.ok()) {
    return listener.status();
  }
  server->listener_ = *std::move(listener);
  return server;
}

Server::Server(uv::Loop& loop) : loop_(loop) {}
Server::~Server() = default;

void Server::OnAccept(std::unique_ptr<uv::TcpStream> stream) {
  auto connection = std::make_unique<Connection>(*this, std::move(stream));
  Connection* const raw = connection.get();
  connections_.emplace(raw, std::move(connection));
  raw->Start();
}

void Server::Remove(Connection* connection) {
  const auto it = connections_.find(connection);
  if (it == connections_.end()) {
    return;
  }
  std::unique_ptr<Connection> owned = std::move(it->second);
  connections_.erase(it);
  loop_.Retire(std::move(owned));
}

}  // namespace aurora::demo
