#include "shared/httpd/server.h"

#include <utility>

#include "shared/httpd/connection.h"

namespace aurora::httpd {

std::string_view Request::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) {
      return value;
    }
  }
  return {};
}

void Responder::Send(Response response) const {
  if (link_ != nullptr && link_->server != nullptr) {
    link_->server->Complete(id_, std::move(response));
  }
}

void Responder::Send(int status, std::string body) const {
  Response response;
  response.status = status;
  response.body = std::move(body);
  Send(std::move(response));
}

Server::State::State(uv::Loop& l, const Options& o, Handler h)
    : loop(l),
      options(o),
      handler(std::move(h)),
      link(std::make_shared<Responder::Link>()),
      drained_timer(l, [this] {
        if (drained != nullptr) {
          std::exchange(drained, nullptr)();
        }
      }) {}

Server::State::~State() = default;

void Server::State::Close(uint64_t connection_id) {
  const auto found = connections.find(connection_id);
  if (found == connections.end()) {
    return;
  }
  std::unique_ptr<Connection> connection = std::move(found->second);
  connections.erase(found);
  connection->Release();
  loop.Retire(std::move(connection));  // its own method may be on the stack
  if (draining && connections.empty()) {
    drained_timer.Start(Duration::Micros(0));
  }
}

Server::Server(uv::Loop& loop, const Options& options, Handler handler)
    : state_(std::make_unique<State>(loop, options, std::move(handler))) {
  state_->link->server = this;
}

absl::StatusOr<std::unique_ptr<Server>> Server::Open(uv::Loop& loop, const Options& options,
                                                     Handler handler) {
  std::unique_ptr<Server> server(new Server(loop, options, std::move(handler)));
  uv::TcpListener::Options listen;
  listen.host = options.host;
  listen.port = options.port;
  AURORA_ASSIGN_OR_RETURN(server->state_->listener,
                          uv::TcpListener::Open(loop, listen, server.get()));
  return server;
}

Server::~Server() {
  state_->link->server = nullptr;
  state_->drained = nullptr;
  while (!state_->connections.empty()) {
    state_->Close(state_->connections.begin()->first);
  }
}

void Server::SetCertificate(std::shared_ptr<tls::ServerContext> certificate) {
  state_->certificate = std::move(certificate);
}

uint16_t Server::port() const {
  return state_->listener == nullptr ? uint16_t{0} : state_->listener->port();
}

size_t Server::connection_count() const {
  return state_->connections.size();
}

void Server::OnAccept(std::unique_ptr<uv::TcpStream> stream) {
  if (state_->connections.size() >= state_->options.connections_max) {
    return;  // the stream closes as it goes
  }
  const uint64_t id = state_->next_id++;
  auto& connection = state_->connections[id];
  connection = std::make_unique<Connection>(*state_, id, std::move(stream));
  if (!connection->Start()) {
    state_->Close(id);
  }
}

bool Server::Complete(uint64_t id, Response response) {
  state_->loop.AssertInThread();
  const auto found = state_->connection_of.find(id);
  if (found == state_->connection_of.end()) {
    return false;
  }
  const auto connection = state_->connections.find(found->second);
  state_->connection_of.erase(found);
  if (connection == state_->connections.end()) {
    return false;
  }
  connection->second->Answer(id, std::move(response));
  return true;
}

void Server::Drain(absl::AnyInvocable<void()> drained) {
  state_->draining = true;
  state_->drained = std::move(drained);
  state_->listener.reset();
  std::vector<uint64_t> idle;
  for (const auto& [id, connection] : state_->connections) {
    if (connection->idle()) {
      idle.push_back(id);
    }
  }
  for (const uint64_t id : idle) {
    state_->Close(id);
  }
  if (state_->connections.empty()) {
    state_->drained_timer.Start(Duration::Micros(0));
  }
}

}  // namespace aurora::httpd
