// The handles through which a handler answers.
#include <utility>

#include "net/http/server_connection.h"

namespace entente::net {
namespace {

using Self = boost::intrusive_ptr<ServerConnection>;

}  // namespace

Responder::Responder(Responder&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)) {}

Responder& Responder::operator=(Responder&& other) noexcept {
  std::swap(connection_, other.connection_);
  return *this;
}

Responder::~Responder() {
  if (connection_ != nullptr) {
    connection_->RespondNothing();
    intrusive_ptr_release(connection_);
  }
}

void Responder::Respond(HttpServerResponse response) && {
  if (connection_ != nullptr) {
    const Self connection(std::exchange(connection_, nullptr), false);
    connection->Respond(std::move(response));
  }
}

ResponseStream Responder::Stream(int status, const HttpHeaders& headers) && {
  if (connection_ == nullptr) {
    return ResponseStream();
  }
  connection_->BeginStream(status, headers);
  return ResponseStream(std::exchange(connection_, nullptr));
}

void Responder::MoveTo(std::shared_ptr<HttpEntrance> to, HttpServerRequest request) && {
  if (connection_ != nullptr) {
    const Self connection(std::exchange(connection_, nullptr), false);
    connection->MoveTo(std::move(to), std::move(request));
  }
}

bool Responder::peer_gone() const {
  return connection_ == nullptr || connection_->peer_gone();
}

void Responder::OnPeerGone(UniqueFunction<void()> gone) {
  if (connection_ != nullptr) {
    connection_->OnGone(std::move(gone));
  }
}

ResponseStream::ResponseStream(ResponseStream&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)) {}

ResponseStream& ResponseStream::operator=(ResponseStream&& other) noexcept {
  std::swap(connection_, other.connection_);
  return *this;
}

ResponseStream::~ResponseStream() {
  End();
}

bool ResponseStream::Write(std::string_view piece) {
  return connection_ != nullptr && connection_->WriteStream(piece);
}

void ResponseStream::End() {
  if (connection_ != nullptr) {
    const Self connection(std::exchange(connection_, nullptr), false);
    connection->EndStream();
  }
}

bool ResponseStream::open() const {
  return connection_ != nullptr && connection_->stream_open();
}

size_t ResponseStream::buffered_bytes() const {
  return connection_ == nullptr ? 0 : connection_->buffered_bytes();
}

void ResponseStream::OnClosed(UniqueFunction<void()> closed) {
  if (connection_ != nullptr) {
    connection_->OnGone(std::move(closed));
  }
}

}  // namespace entente::net
