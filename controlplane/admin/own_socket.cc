#include "controlplane/admin/own_socket.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "shared/log/log.h"

namespace aurora::admin {
namespace {

constexpr int kBacklog = 16;
constexpr int kOutOfDescriptorsPauseMs = 100;

absl::Status Bad(const std::string& path, const std::string& why) {
  return InvalidArgument("admin.socket = " + path + ": " + why);
}

// Whoever may write the directory may put another socket in our place and be told our secrets.
absl::Status CheckDirectory(const std::string& path, uid_t owner) {
  std::string directory = std::filesystem::path(path).parent_path().string();
  directory = directory.empty() ? "." : directory;
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return Bad(path, "cannot make " + directory + ": " + std::strerror(errno));
  }
  struct stat found {};
  if (::stat(directory.c_str(), &found) != 0 || !S_ISDIR(found.st_mode)) {
    return Bad(path, directory + " is no directory");
  }
  if (found.st_uid != owner && found.st_uid != ::geteuid() && found.st_uid != 0) {
    return Bad(path, directory + " belongs to user " + std::to_string(found.st_uid) +
                         ": want a directory of this process's user (chown, chmod 0700)");
  }
  if ((found.st_mode & 022) != 0) {
    return Bad(path, directory + " may be written by others: chmod 0700 it, or name a directory of "
                                 "the socket's own");
  }
  return absl::OkStatus();
}

absl::Status MakePlace(const std::string& path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) {
    return absl::OkStatus();
  }
  if (!S_ISSOCK(found.st_mode)) {
    return Bad(path, "exists and is not a socket");
  }
  ::unlink(path.c_str());  // a predecessor's: the state directory's lock is ours
  return absl::OkStatus();
}

}  // namespace

OwnSocket::OwnSocket(std::string path, uid_t owner, Accepted accepted)
    : path_(std::move(path)), owner_(owner), accepted_(std::move(accepted)) {}

absl::StatusOr<std::unique_ptr<OwnSocket>> OwnSocket::Open(const std::string& path, uid_t owner,
                                                           Accepted accepted) {
  std::unique_ptr<OwnSocket> socket(new OwnSocket(path, owner, std::move(accepted)));
  AURORA_RETURN_IF_ERROR(socket->Listen());
  socket->thread_ = std::thread([raw = socket.get()]() noexcept { raw->Run(); });
  return socket;
}

absl::Status OwnSocket::Listen() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof(address.sun_path)) {
    return Bad(path_, "is longer than " + std::to_string(sizeof(address.sun_path) - 1) + " bytes");
  }
  std::memcpy(address.sun_path, path_.data(), path_.size());
  AURORA_RETURN_IF_ERROR(CheckDirectory(path_, owner_));
  AURORA_RETURN_IF_ERROR(MakePlace(path_));
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  stop_ = ::eventfd(0, EFD_CLOEXEC);
  // The mode of the descriptor is the mode bind gives the file: no moment at which others may open it.
  if (listener_ < 0 || stop_ < 0 || ::fchmod(listener_, 0600) != 0 ||
      ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Bad(path_, std::string("cannot be made: ") + std::strerror(errno));
  }
  bound_ = true;
  if (::listen(listener_, kBacklog) != 0) {
    return Bad(path_, std::string("cannot listen: ") + std::strerror(errno));
  }
  return absl::OkStatus();
}

OwnSocket::~OwnSocket() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    (void)!::write(stop_, &one, sizeof(one));
    thread_.join();
  }
  if (bound_) {
    ::unlink(path_.c_str());
  }
  for (const int fd : {listener_, stop_}) {
    if (fd >= 0) {
      ::close(fd);
    }
  }
}

void OwnSocket::Run() {
  while (true) {
    pollfd both[2] = {{listener_, POLLIN, 0}, {stop_, POLLIN, 0}};
    if (::poll(both, 2, -1) < 0) {
      continue;  // EINTR
    }
    if (both[1].revents != 0) {
      return;
    }
    AcceptOne();
  }
}

void OwnSocket::AcceptOne() {
  const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      pollfd stop{stop_, POLLIN, 0};
      ::poll(&stop, 1, kOutOfDescriptorsPauseMs);
    }
    return;
  }
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
      (peer.uid != owner_ && peer.uid != 0)) {
    log::Warn("a caller of another user was refused on the admin socket",
              {{"uid", static_cast<int64_t>(peer.uid)}, {"pid", static_cast<int64_t>(peer.pid)}});
    ::close(fd);
    return;
  }
  accepted_(fd, peer.uid);
}

}  // namespace aurora::admin
