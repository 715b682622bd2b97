#include "net/core/byte_channel.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace entente::net {

using boost::system::error_code;
using Self = boost::intrusive_ptr<ByteChannel>;

void InputBuffer::Reserve(size_t free_bytes) {
  const size_t held = end_ - begin_;
  if (capacity_ - end_ >= free_bytes) {
    return;
  }
  if (capacity_ - held >= free_bytes) {
    std::memmove(data_.get(), data_.get() + begin_, held);
  } else {
    const size_t capacity = std::max(kIdleCapacity, std::max(capacity_ * 2, held + free_bytes));
    std::unique_ptr<char[]> larger(new char[capacity]);
    if (held > 0) {
      std::memcpy(larger.get(), data_.get() + begin_, held);
    }
    data_ = std::move(larger);
    capacity_ = capacity;
  }
  begin_ = 0;
  end_ = held;
}

boost::asio::mutable_buffer InputBuffer::Prepare() {
  if (begin_ == end_) {
    begin_ = 0;
    end_ = 0;
  }
  Reserve(filled_ ? std::min(kMaxRead, std::max(kMinRead, capacity_ * 2)) : kMinRead);
  return {data_.get() + end_, std::min(capacity_ - end_, kMaxRead)};
}

void InputBuffer::Commit(size_t size) {
  filled_ = size == std::min(capacity_ - end_, kMaxRead);
  end_ += size;
}

void InputBuffer::Append(std::string_view bytes) {
  Reserve(bytes.size());
  std::memcpy(data_.get() + end_, bytes.data(), bytes.size());
  end_ += bytes.size();
}

void InputBuffer::ShrinkIfEmpty() {
  if (begin_ == end_ && capacity_ > kIdleCapacity) {
    data_.reset();
    capacity_ = 0;
    begin_ = 0;
    end_ = 0;
    filled_ = false;
  }
}

DetachedChannel::DetachedChannel(DetachedChannel&& other) noexcept
    : protocol(other.protocol),
      descriptor(std::exchange(other.descriptor, -1)),
      tls(std::move(other.tls)),
      input(std::move(other.input)),
      output(std::move(other.output)),
      ended(other.ended) {}

DetachedChannel::~DetachedChannel() {
  if (descriptor >= 0) {
    ::close(descriptor);
  }
}

// A socket that its loop can not watch stays closed, and fails at first use.
ByteChannel::ByteChannel(boost::asio::io_context& io, DetachedChannel detached)
    : socket_(io),
      output_(std::move(detached.output)),
      tls_(std::move(detached.tls)),
      ended_(detached.ended) {
  error_code error;
  socket_.assign(detached.protocol, detached.descriptor, error);
  if (!error) {
    detached.descriptor = -1;
  }
  if (tls_) {
    cipher_input_ = std::make_unique<InputBuffer>();
  }
  if (!detached.input.empty()) {
    input_.Append(detached.input);
  }
}

ByteChannel::~ByteChannel() {
  Close();
}

void ByteChannel::Configure() {
  error_code ignored;  // Neither is worth losing a connection for; a dead one shows at first use.
  socket_.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
}

void ByteChannel::GoOn() {
  Configure();
  if (has_output()) {
    Push({});
  }
}

// A read under way may hold bytes already, which would be lost with it: it is waited for.
void ByteChannel::Detach() {
  detaching_ = true;
  if (reading_) {
    error_code ignored;
    socket_.cancel(ignored);
  } else {
    FinishDetaching();
  }
}

void ByteChannel::FinishDetaching() {
  DetachedChannel detached;
  error_code error;
  detached.protocol = socket_.local_endpoint(error).protocol();
  detached.descriptor = socket_.release(error);
  detached.tls = std::move(tls_);
  detached.input = input_.data();
  detached.output = output_.substr(output_sent_);
  detached.ended = ended_;
  closed_ = true;
  OnDetached(std::move(detached));
}

void ByteChannel::StartTls(std::unique_ptr<TlsSession> session, bool is_client) {
  tls_ = std::move(session);
  cipher_input_ = std::make_unique<InputBuffer>();
  if (is_client) {
    OnCipher({});
  }
  StartRead();
}

void ByteChannel::StartRead() {
  if (reading_ || ended_ || detaching_ || closed_) {
    return;
  }
  reading_ = true;
  const auto space = tls_ ? cipher_input_->Prepare() : input_.Prepare();
  socket_.async_read_some(space, [self = Self(this)](const error_code& error, size_t size) {
    self->OnRead(error, size);
  });
}

void ByteChannel::ShrinkInput() {
  if (!reading_) {
    input_.ShrinkIfEmpty();
  }
}

void ByteChannel::OnRead(const error_code& error, size_t size) {
  reading_ = false;
  if (closed_) {
    return;
  }
  if (!detaching_ || error != boost::asio::error::operation_aborted) {
    TakeRead(error, size);
  }
  if (detaching_ && !closed_) {
    FinishDetaching();
  }
}

void ByteChannel::TakeRead(const error_code& error, size_t size) {
  if (error) {
    End(error == boost::asio::error::eof ? error_code() : error);
    return;
  }
  if (!tls_) {
    input_.Commit(size);
    OnInput();
    return;
  }
  cipher_input_->Commit(size);
  const std::string_view received = cipher_input_->data();
  cipher_input_->Consume(received.size());
  OnCipher(received);
}

void ByteChannel::OnCipher(std::string_view received) {
  const bool was_established = tls_->established();
  std::string plain;
  scratch_.clear();
  const Status status = tls_->Receive(received, plain, scratch_);
  if (!scratch_.empty()) {
    Push(scratch_);
  }
  if (closed_) {
    return;
  }
  if (!status.ok()) {
    if (was_established) {
      End(boost::asio::error::connection_reset);
    } else {
      OnTls(status);
    }
    return;
  }
  if (!was_established && tls_->established()) {
    OnTls(Status());
  }
  if (!closed_ && !plain.empty()) {
    input_.Append(plain);
    OnInput();
  } else {
    StartRead();
  }
  // What came may have led to this channel being closed, or parted with.
  if (!closed_ && tls_->peer_closed()) {
    End(error_code());
  }
}

void ByteChannel::End(const error_code& error) {
  if (!ended_ && !closed_) {
    ended_ = true;
    if (tls_ && !tls_->established()) {
      OnTls(Unavailable("tls.failed", "the peer closed the connection during the TLS handshake"));
    } else {
      OnEnd(error);
    }
  }
}

void ByteChannel::Write(std::string_view bytes) {
  if (!tls_) {
    Push(bytes);
    return;
  }
  scratch_.clear();
  if (tls_->Send(bytes, scratch_).ok()) {
    Push(scratch_);
  } else {
    FailWrite(boost::asio::error::connection_reset);
  }
}

void ByteChannel::Push(std::string_view fresh) {
  if (closed_ || write_failed_) {
    return;
  }
  if (waiting_writable_) {
    output_.append(fresh);
    return;
  }
  if (has_output()) {
    output_.append(fresh);
    fresh = std::string_view(output_).substr(output_sent_);
  }
  const bool from_output = has_output();
  while (!fresh.empty()) {
    error_code error;
    const size_t sent = socket_.write_some(boost::asio::buffer(fresh.data(), fresh.size()), error);
    if (error == boost::asio::error::would_block || error == boost::asio::error::try_again) {
      break;
    }
    if (error) {
      FailWrite(error);
      return;
    }
    bytes_taken_ += sent;
    fresh.remove_prefix(sent);
  }
  if (fresh.empty()) {
    output_.clear();
    output_sent_ = 0;
    if (output_.capacity() > 64 * 1024) {
      output_.shrink_to_fit();
    }
    if (shutdown_wanted_) {
      ShutdownWrite();
    }
    OnFlushed();
    return;
  }
  if (from_output) {
    output_sent_ = output_.size() - fresh.size();
    // A stream whose reader never quite catches up must not keep all it has ever sent.
    if (output_sent_ > output_.size() / 2) {
      output_.erase(0, output_sent_);
      output_sent_ = 0;
    }
  } else {
    output_.assign(fresh);
    output_sent_ = 0;
  }
  WaitWritable();
}

void ByteChannel::WaitWritable() {
  waiting_writable_ = true;
  socket_.async_wait(Socket::wait_write, [self = Self(this)](const error_code& error) {
    self->waiting_writable_ = false;
    if (self->closed_) {
      return;
    }
    if (error) {
      self->FailWrite(error);
    } else {
      self->Push({});
    }
  });
}

void ByteChannel::FailWrite(const error_code& error) {
  write_failed_ = true;
  output_.clear();
  output_sent_ = 0;
  OnWriteFailed(error);
}

void ByteChannel::ShutdownWrite() {
  if (closed_) {
    return;
  }
  if (has_output() && !write_failed_) {
    shutdown_wanted_ = true;
    return;
  }
  shutdown_wanted_ = false;
  if (tls_ && !write_failed_) {
    scratch_.clear();
    tls_->Close(scratch_);
    if (!scratch_.empty()) {
      error_code ignored;  // A courtesy; the socket's own end says the same.
      socket_.write_some(boost::asio::buffer(scratch_), ignored);
    }
  }
  write_failed_ = true;
  error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
}

void ByteChannel::Close() {
  if (!closed_) {
    closed_ = true;
    error_code ignored;
    socket_.close(ignored);
  }
}

}  // namespace entente::net
