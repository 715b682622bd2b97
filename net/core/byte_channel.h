// A connected socket, plain or TLS, seen as bytes in and bytes out. Internal to net.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include "base/status.h"
#include "net/core/tls_session.h"

namespace entente::net {

// The concrete executor spares the type-erased one's cost on every operation.
using Socket =
    boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

// Bytes received and not yet used. Consuming never moves memory, so it is safe while a read into
// the free part is under way; only Prepare moves, and that begins a read.
class InputBuffer {
 public:
  [[nodiscard]] std::string_view data() const { return {data_.get() + begin_, end_ - begin_}; }
  [[nodiscard]] bool empty() const { return begin_ == end_; }
  [[nodiscard]] size_t capacity() const { return capacity_; }
  void Consume(size_t size) { begin_ += size; }

  // Space for the next read, at least kMinRead bytes. Grows to what reads turn out to fill.
  [[nodiscard]] boost::asio::mutable_buffer Prepare();
  void Commit(size_t size);
  void Append(std::string_view bytes);
  // Gives memory beyond kIdleCapacity back if nothing is held. Not while a read is under way.
  void ShrinkIfEmpty();

 private:
  static constexpr size_t kMinRead = 2048;
  static constexpr size_t kIdleCapacity = 4096;
  static constexpr size_t kMaxRead = 64 * 1024;

  void Reserve(size_t free_bytes);

  std::unique_ptr<char[]> data_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool filled_ = false;  // The last read used all the space it was given.
};

// A connected socket that no event loop knows, with what its channel had in hand: one thread hands
// it to another, where a channel made of it goes on. Closes the socket unless that was done.
struct DetachedChannel {
  DetachedChannel() = default;
  DetachedChannel(DetachedChannel&& other) noexcept;
  DetachedChannel& operator=(DetachedChannel&&) = delete;
  ~DetachedChannel();

  boost::asio::ip::tcp protocol = boost::asio::ip::tcp::v4();
  int descriptor = -1;
  std::unique_ptr<TlsSession> tls;  // Null: plain.
  std::string input;                // Received and not used.
  std::string output;               // To be sent, as it goes over the socket.
  bool ended = false;               // No more will come.
};

// One read is outstanding whenever the owner wants bytes or wants to learn of the peer's end;
// writes are tried at once, since a socket nearly always takes them, and wait for the reactor only
// if not.
//
// The count is not atomic: all of it lives on one thread. A pending operation holds a reference,
// because Asio may complete it after Close, when its owner has long forgotten the channel.
class ByteChannel : public boost::intrusive_ref_counter<ByteChannel, boost::thread_unsafe_counter> {
 public:
  virtual ~ByteChannel();
  ByteChannel(const ByteChannel&) = delete;
  ByteChannel& operator=(const ByteChannel&) = delete;

 protected:
  explicit ByteChannel(boost::asio::io_context& io) : socket_(io) {}
  explicit ByteChannel(Socket socket) : socket_(std::move(socket)) {}
  // Goes on where another channel was detached. Nothing happens before GoOn.
  ByteChannel(boost::asio::io_context& io, DetachedChannel detached);

  // input() holds more. Called with a reference held, as the next four are.
  virtual void OnInput() = 0;
  // No more will come: `error` is empty for an orderly end. Called at most once; not after Close.
  virtual void OnEnd(const boost::system::error_code& error) = 0;
  // All output has been taken by the kernel.
  virtual void OnFlushed() {}
  // Output can not be sent any more; what is left of it was dropped. Input may still come.
  virtual void OnWriteFailed(const boost::system::error_code& error) = 0;
  // The TLS handshake is done, or failed for the given reason. Not called on plain channels.
  virtual void OnTls(const Status& status) = 0;

  // Detach is done. This channel is as after Close.
  virtual void OnDetached(DetachedChannel /*detached*/) {}

  // To be called once the socket is connected: no delay, no blocking.
  void Configure();
  // As Configure, for a channel made of a detached one: sends what that had left.
  void GoOn();
  // Begins TLS: as a client the handshake starts at once.
  void StartTls(std::unique_ptr<TlsSession> session, bool is_client);

  // Keeps one read outstanding. No-op if there is one, or after the end.
  void StartRead();

  // Gives back what the input held for a large message, if it is empty and nothing is being read.
  void ShrinkInput();

  // Sends bytes, in order. A failure arrives through OnWriteFailed, possibly from inside.
  void Write(std::string_view bytes);
  [[nodiscard]] bool has_output() const { return output_sent_ < output_.size(); }
  [[nodiscard]] size_t output_bytes() const { return output_.size() - output_sent_; }
  // Bytes the kernel has taken so far, to tell a slow peer from one that has stopped reading.
  [[nodiscard]] uint64_t bytes_taken() const { return bytes_taken_; }

  // Says that nothing more will be written, once the output is flushed.
  void ShutdownWrite();
  // Parts with the socket and all that is in hand, by OnDetached: from inside, or once the read
  // that is under way is cancelled. What it brings until then arrives as ever. Not during a
  // handshake.
  void Detach();
  // Closes at once and drops everything. No virtual is called afterwards.
  void Close();

  [[nodiscard]] bool closed() const { return closed_; }
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] bool is_tls() const { return tls_ != nullptr; }
  // As TlsSession's, once OnTls was told of success.
  [[nodiscard]] PeerNames ReadPeerNames() const {
    return tls_ == nullptr ? nullptr : tls_->ReadPeerNames();
  }
  [[nodiscard]] InputBuffer& input() { return input_; }
  [[nodiscard]] Socket& socket() { return socket_; }

 private:
  void OnRead(const boost::system::error_code& error, size_t size);
  void TakeRead(const boost::system::error_code& error, size_t size);
  void FinishDetaching();
  void OnCipher(std::string_view received);
  void End(const boost::system::error_code& error);
  // Sends `fresh` after what waits already; keeps what the kernel does not take.
  void Push(std::string_view fresh);
  void WaitWritable();
  void FailWrite(const boost::system::error_code& error);

  Socket socket_;
  InputBuffer input_;
  std::string output_;
  size_t output_sent_ = 0;
  uint64_t bytes_taken_ = 0;
  std::unique_ptr<TlsSession> tls_;
  std::unique_ptr<InputBuffer> cipher_input_;  // With tls_ only.
  std::string scratch_;                        // With tls_ only.
  bool reading_ = false;
  bool waiting_writable_ = false;
  bool write_failed_ = false;
  bool shutdown_wanted_ = false;
  bool ended_ = false;
  bool detaching_ = false;
  bool closed_ = false;
};

}  // namespace entente::net
