#include "net/http/server_connection.h"

#include <algorithm>
#include <utility>

#include "base/http_head.h"
#include "base/limits.h"
#include "net/http/moved_connection.h"
#include "net/http/response_text.h"

namespace entente::net {
namespace {

using boost::system::error_code;
namespace http = boost::beast::http;
using Self = boost::intrusive_ptr<ServerConnection>;

// Input that may wait while a request is being answered.
constexpr size_t kMaxPipelinedBytes = 64 * 1024;
constexpr Duration kLingerTime = std::chrono::seconds(2);

}  // namespace

ServerConnection::ServerConnection(ServerContext& context, Socket its_socket)
    : ByteChannel(std::move(its_socket)), context_(context) {
  ++context_.connections;
  error_code error;
  const auto endpoint = socket().remote_endpoint(error);
  if (!error) {
    peer_ = endpoint.address().to_string();
  }
}

ServerConnection::ServerConnection(ServerContext& context, boost::asio::io_context& io,
                                   MovedConnection& moved)
    : ByteChannel(io, std::move(moved.channel)),
      context_(context),
      phase_(Phase::kHandling),
      is_head_(moved.is_head),
      is_safe_(moved.is_safe),
      chunked_(moved.chunked),
      peer_gone_(moved.peer_gone) {
  moved.place.reset();
  ++context_.connections;
}

ServerConnection::~ServerConnection() = default;

void ServerConnection::MoveTo(std::shared_ptr<HttpEntrance> to, HttpServerRequest request) {
  if (phase_ == Phase::kHandling) {
    on_gone_ = nullptr;
    phase_ = Phase::kMoving;
    move_ = std::make_unique<Move>(Move{std::move(to), std::move(request)});
    Detach();
  }
}

void ServerConnection::OnDetached(DetachedChannel detached) {
  const Self self(this);
  MovedConnection moved(std::move(detached));
  moved.request = std::move(move_->request);
  moved.place = context_.options.load;
  moved.chunked = chunked_;
  moved.is_head = is_head_;
  moved.is_safe = is_safe_;
  moved.peer_gone = peer_gone_;
  phase_ = Phase::kClosed;
  ServerHook::unlink();
  --context_.connections;
  const std::shared_ptr<HttpEntrance> to = std::move(move_->to);
  to->Take(std::move(moved));
  context_.on_closed(context_.server);
}

void ServerConnection::HandleMoved(HttpServerRequest request) {
  GoOn();
  intrusive_ptr_add_ref(this);  // Given back by the responder.
  context_.handler.Handle(std::move(request), Responder(this));
  StartRead();
}

void ServerConnection::SetDeadline(Duration from_now) {
  context_.deadlines.Set(*this, Deadline::Clock::now() + from_now);
}

void ServerConnection::Start() {
  Configure();
  if (context_.options.tls) {
    phase_ = Phase::kHandshake;
    BeginIdle();
    SetDeadline(context_.options.read_timeout);
    StartTls(std::make_unique<TlsSession>(*context_.options.tls()), false);
  } else {
    AwaitRequest();
    StartRead();
  }
}

void ServerConnection::OnTls(const Status& status) {
  if (status.ok()) {
    client_names_ = ReadPeerNames();
    AwaitRequest();
  } else {
    Shut();
  }
}

void ServerConnection::BeginIdle() {
  if (!idle_since_) {
    context_.options.load->AddIdle();
  }
  idle_since_ = Deadline::Clock::now();
}

void ServerConnection::EndIdle() {
  if (idle_since_) {
    idle_since_.reset();
    context_.options.load->RemoveIdle();
  }
}

bool ServerConnection::has_unread_input() {
  error_code error;
  return socket().available(error) > 0 && !error;
}

// A connection without a request in progress has the idle time to begin one.
void ServerConnection::AwaitRequest() {
  phase_ = Phase::kReading;
  parser_.emplace(context_.limits);
  request_begun_ = false;
  continue_sent_ = false;
  BeginIdle();
  SetDeadline(context_.options.idle_timeout);
}

void ServerConnection::Refuse(int status, std::string_view code, const std::string& detail) {
  refused_ = true;
  Configure();
  SendProblem(status, code, detail);
}

void ServerConnection::OnInput() {
  switch (phase_) {
    case Phase::kReading: ParseInput(); break;
    case Phase::kHandling:
    case Phase::kFlushing:
      if (input().data().size() < kMaxPipelinedBytes) {
        StartRead();
      }
      break;
    case Phase::kStreaming:
    case Phase::kLingering:
      input().Consume(input().data().size());
      StartRead();
      break;
    case Phase::kHandshake:
    case Phase::kMoving:
    case Phase::kClosed: break;
  }
}

void ServerConnection::ParseInput() {
  if (parsing_) {
    return;
  }
  const Self self(this);  // A handler that lets go of its responder may hold the last reference.
  parsing_ = true;
  while (phase_ == Phase::kReading && !input().empty()) {
    if (!request_begun_) {
      input().Consume(LeadingEmptyLines(input().data()));
      if (input().empty() || input().data() == "\r") {
        break;  // Nothing has begun: the connection stays idle.
      }
      request_begun_ = true;
      EndIdle();
      SetDeadline(context_.options.read_timeout);
    }
    error_code error;
    const size_t used = parser_->Parse(input().data(), error);
    input().Consume(used);
    if (error) {
      RejectRequest(error);
    } else if (!HoldRequest()) {
      SendProblem(503, "server.too_many_bytes",
                  "The requests that are being read hold the limit of " +
                      std::to_string(context_.options.load->limits().max_request_bytes) +
                      " bytes together; try again later.");
    } else if (parser_->is_done()) {
      Dispatch();
    } else {
      if (parser_->is_header_done() && parser_->expects_continue() && !continue_sent_) {
        continue_sent_ = true;
        Write("HTTP/1.1 100 Continue\r\n\r\n");
      }
      break;
    }
  }
  parsing_ = false;
  if (phase_ == Phase::kReading && ended()) {
    Shut();
  } else if (phase_ != Phase::kClosed && input().data().size() < kMaxPipelinedBytes) {
    if (phase_ != Phase::kReading || !request_begun_) {
      ShrinkInput();  // A large request leaves nothing behind while its connection waits.
    }
    StartRead();
  }
}

void ServerConnection::RejectRequest(const error_code& error) {
  if (error == http::error::body_limit) {
    SendProblem(413, "request.too_large",
                "The request body is larger than the limit of " +
                    std::to_string(context_.limits.max_body_bytes) + " bytes; send less.");
  } else if (error == http::error::header_limit) {
    SendProblem(431, "request.header_too_large",
                "The request header is larger than the limit of " +
                    std::to_string(context_.limits.max_header_bytes) + " bytes; send less.");
  } else if (const Status& refusal = parser_->refusal(); !refusal.ok()) {
    RefuseHead(refusal);
  } else {
    SendProblem(400, "request.malformed",
                "The request is not well-formed HTTP/1.1 (" + error.message() + ").");
  }
}

bool ServerConnection::HoldRequest() {
  const size_t held = parser_->message().body.capacity() + input().capacity();
  const size_t counted = held - std::min(held, limits::kFreeRequestBytes);
  ServerLoad& load = *context_.options.load;
  if (counted > held_bytes_ && !load.Hold(counted - held_bytes_)) {
    return false;
  }
  if (counted < held_bytes_) {
    load.Release(held_bytes_ - counted);
  }
  held_bytes_ = counted;
  return true;
}

void ServerConnection::ReleaseRequest(size_t kept) {
  const size_t before = std::exchange(held_bytes_, std::min(held_bytes_, kept));
  context_.options.load->Release(before - held_bytes_);
}

bool ServerConnection::HoldAnswer(size_t bytes) {
  if (bytes <= limits::kFreeAnswerBytes) {
    return true;
  }
  if (!context_.options.load->HoldAnswer(bytes)) {
    return false;
  }
  held_answer_bytes_ = bytes;
  return true;
}

void ServerConnection::ReleaseAnswer() {
  if (held_answer_bytes_ != 0) {
    context_.options.load->ReleaseAnswer(std::exchange(held_answer_bytes_, 0));
  }
}

void ServerConnection::RefuseHead(const Status& refusal) {
  const std::string detail = "The request is not acceptable HTTP/1.1: " + refusal.message() + ".";
  if (refusal.reason() == kHttpVersion) {
    SendProblem(505, "request.version", detail);
  } else if (refusal.reason() == kHttpTooManyFields) {
    SendProblem(431, "request.header_too_large", detail);
  } else if (refusal.reason() == kHttpExpectation) {
    SendProblem(417, "request.expectation", detail);
  } else {
    SendProblem(400, "request.malformed", detail);
  }
}

void ServerConnection::Dispatch() {
  HttpServerRequest& read = parser_->message();
  Result<HttpTarget> target =
      ReadHttpTarget(read.method, read.target, read.headers.Find("Host").value_or(""));
  if (!target.ok()) {
    RefuseHead(target.status());
    return;
  }
  if (target->https.value_or(false) && !is_tls()) {
    SendProblem(421, "request.host", "An https:// address was asked for without TLS.");
    return;
  }
  CancelDeadline();
  ReleaseRequest();
  phase_ = Phase::kHandling;
  keep_alive_ = parser_->keep_alive();
  chunked_ = parser_->is_http11();
  HttpServerRequest request = std::move(read);
  request.target = std::move(target->path_and_query);
  request.host = std::move(target->authority);
  request.peer = peer_;
  request.tls = is_tls();
  request.client_names = client_names_;
  is_head_ = request.method == "HEAD";
  is_safe_ = is_head_ || request.method == "GET";
  on_gone_ = nullptr;
  intrusive_ptr_add_ref(this);  // Given back by the responder.
  context_.handler.Handle(std::move(request), Responder(this));
}

void ServerConnection::Respond(HttpServerResponse response) {
  if (phase_ != Phase::kHandling) {
    return;
  }
  on_gone_ = nullptr;
  if (!MayBeSent(response.headers)) {
    response = Problem(500, "internal", "The answer held a header field that can not be sent.");
  }
  if (!is_head_ && !HoldAnswer(response.body.size())) {
    // 503 says that nothing was done, which nobody here knows of what could change something.
    response =
        Problem(is_safe_ ? 503 : 504, "server.too_many_answers",
                "Clients that do not read their answers hold as much of them as may be held; "
                "ask again later, or for less.");
    response.headers.Add("Retry-After", "1");
  }
  keep_alive_ = keep_alive_ && !context_.draining;
  SendWhole(response, !is_head_);
  AnswerSent();
}

void ServerConnection::RespondNothing() {
  if (phase_ == Phase::kHandling) {
    Respond(Problem(500, "internal", "The request was not answered; this is a defect."));
  }
}

void ServerConnection::SendProblem(int status, std::string_view code, const std::string& detail) {
  keep_alive_ = false;
  const std::string_view target = parser_ ? std::string_view(parser_->message().target) : "";
  const bool is_head = parser_ && parser_->message().method == "HEAD";
  HttpServerResponse problem = Problem(status, code, detail, target);
  if (status == 503) {
    problem.headers.Add("Retry-After", "1");
  }
  SendWhole(problem, !is_head);
  AnswerSent();
}

void ServerConnection::SendWhole(const HttpServerResponse& response, bool with_body) {
  const bool body = with_body && !IsBodiless(response.status);
  // A large one goes from where it is: a copy would double what it takes.
  const bool apart = body && response.body.size() > limits::kFreeAnswerBytes;
  std::string text;
  text.reserve(256 + (apart ? 0 : response.body.size()));
  AppendStatusLine(text, response.status);
  context_.date.AppendTo(text);
  response.headers.AppendTo(text);
  if (!IsBodiless(response.status)) {
    text.append("Content-Length: ");
    AppendNumber(text, response.body.size());
    text.append("\r\n");
  }
  text.append(!keep_alive_ ? "Connection: close\r\n\r\n"
              : chunked_   ? "\r\n"
                           : "Connection: keep-alive\r\n\r\n");
  if (body && !apart) {
    text.append(response.body);
  }
  phase_ = Phase::kFlushing;
  Write(text);
  if (apart && phase_ == Phase::kFlushing) {
    Write(response.body);
  }
}

// The answer is complete as far as this side is concerned.
void ServerConnection::AnswerSent() {
  if (phase_ != Phase::kFlushing) {
    return;
  }
  if (has_output()) {
    AwaitFlush();
  } else {
    NextRequest();
  }
}

void ServerConnection::AwaitFlush() {
  bytes_taken_before_ = bytes_taken();
  SetDeadline(context_.options.write_timeout);
}

void ServerConnection::OnFlushed() {
  // Called from inside Write too, before AnswerSent looks; only a later flush is of interest here.
  if (phase_ == Phase::kFlushing && deadline_set()) {
    NextRequest();
  } else if (phase_ == Phase::kStreaming) {
    CancelDeadline();
  }
}

void ServerConnection::NextRequest() {
  CancelDeadline();
  ReleaseAnswer();
  if (!keep_alive_ || context_.draining) {
    Linger();
    return;
  }
  AwaitRequest();
  if (!input().empty() || ended()) {
    ParseInput();
  } else if (!parsing_) {
    StartRead();
  }
}

// Closing with unread input would make the kernel reset the connection, and the client might lose
// the answer that says what was wrong (RFC 9112, 9.6).
void ServerConnection::Linger() {
  phase_ = Phase::kLingering;
  parser_.reset();
  ReleaseRequest(input().capacity());
  ShutdownWrite();
  if (ended()) {
    Shut();
    return;
  }
  input().Consume(input().data().size());
  SetDeadline(kLingerTime);
  StartRead();
}

void ServerConnection::BeginStream(int status, const HttpHeaders& headers) {
  if (phase_ != Phase::kHandling) {
    return;
  }
  if (!MayBeSent(headers)) {
    RespondNothing();
    return;
  }
  std::string text;
  AppendStatusLine(text, status);
  context_.date.AppendTo(text);
  headers.AppendTo(text);
  if (chunked_) {
    text.append("Transfer-Encoding: chunked\r\n");
  } else {
    keep_alive_ = false;  // HTTP/1.0 knows the end of the body only by the connection's.
  }
  text.append(keep_alive_ ? "\r\n" : "Connection: close\r\n\r\n");
  phase_ = Phase::kStreaming;
  on_gone_ = nullptr;
  Write(text);
  if (peer_gone_) {
    Shut();
  } else if (is_head_ || context_.draining) {
    EndStream();
  }
}

bool ServerConnection::WriteStream(std::string_view piece) {
  if (phase_ != Phase::kStreaming) {
    return false;
  }
  if (piece.empty()) {
    return true;
  }
  if (output_bytes() + piece.size() > context_.options.max_stream_buffer_bytes) {
    on_gone_ = nullptr;
    Shut();
    return false;
  }
  std::string text;
  text.reserve(piece.size() + 16);
  if (chunked_) {
    AppendNumber(text, piece.size(), 16);
    text.append("\r\n").append(piece).append("\r\n");
    piece = text;
  }
  UniqueFunction<void()> gone = std::move(on_gone_);  // The caller learns by the return value.
  Write(piece);
  if (phase_ != Phase::kStreaming) {
    return false;
  }
  on_gone_ = std::move(gone);
  if (has_output() && !deadline_set()) {
    AwaitFlush();
  }
  return true;
}

void ServerConnection::EndStream() {
  if (phase_ != Phase::kStreaming) {
    return;
  }
  on_gone_ = nullptr;
  CancelDeadline();
  phase_ = Phase::kFlushing;
  if (chunked_ && !is_head_) {
    Write("0\r\n\r\n");
  }
  AnswerSent();
}

void ServerConnection::OnEnd(const error_code& error) {
  switch (phase_) {
    case Phase::kHandling:
      // An orderly end may be a client that has closed only its sending half and waits.
      PeerGone();
      if (error) {
        Shut();
      }
      break;
    case Phase::kFlushing:
      peer_gone_ = true;
      if (error) {
        Shut();
      }
      break;
    case Phase::kMoving: peer_gone_ = true; break;
    case Phase::kStreaming:
    case Phase::kReading:
    case Phase::kLingering:
    case Phase::kHandshake: Shut(); break;
    case Phase::kClosed: break;
  }
}

void ServerConnection::OnWriteFailed(const error_code& /*error*/) {
  Shut();
}

void ServerConnection::OnDeadline() {
  const Self self(this);
  if (phase_ == Phase::kReading && request_begun_) {
    SendProblem(408, "request.timeout", "The request was not complete in time; send it faster.");
  } else if ((phase_ == Phase::kFlushing || phase_ == Phase::kStreaming) &&
             bytes_taken() != bytes_taken_before_) {
    AwaitFlush();
  } else {
    Shut();
  }
}

void ServerConnection::Drain() {
  if (phase_ == Phase::kHandshake || (phase_ == Phase::kReading && !request_begun_)) {
    Shut();
  } else if (phase_ == Phase::kStreaming) {
    UniqueFunction<void()> gone = std::move(on_gone_);
    keep_alive_ = false;
    EndStream();
    if (gone) {
      gone();
    }
  }
}

void ServerConnection::Abandon() {
  on_gone_ = nullptr;
  Shut();
}

void ServerConnection::PeerGone() {
  if (!peer_gone_) {
    peer_gone_ = true;
    if (on_gone_) {
      UniqueFunction<void()> gone = std::move(on_gone_);
      gone();
    }
  }
}

void ServerConnection::Shut() {
  if (phase_ == Phase::kClosed) {
    return;
  }
  const Self self(this);
  const bool tell = phase_ == Phase::kHandling || phase_ == Phase::kStreaming;
  phase_ = Phase::kClosed;
  CancelDeadline();
  ServerHook::unlink();
  Close();
  ReleaseRequest();
  ReleaseAnswer();
  EndIdle();
  --context_.connections;
  if (refused_) {
    context_.options.load->DoneRefusing();
  } else {
    context_.options.load->GiveBack();
  }
  context_.on_closed(context_.server);
  if (tell) {
    PeerGone();
  }
}

}  // namespace entente::net
