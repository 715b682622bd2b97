// bench-load: a closed loop of requests with the coordinator's own HTTP or gRPC client; prints one
// line of JSON.
//
//   bench-load raw-http --target http://127.0.0.1:PORT/do     the raw limit: no coordinator
//   bench-load raw-grpc --target 127.0.0.1:PORT
//   bench-load saga --target http://127.0.0.1:PORT --definition NAME     submit and wait for the
//   end bench-load open --target ... --definition NAME --count N             submit N and do not
//   wait
//   bench-load streams --target ... --count N     N event streams of everything, read as they come
//
// With --rate R requests begin R times a second, however long they take: an open loop.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "net/grpc/grpc_client.h"
#include "net/http/http_client.h"

namespace {

using entente::Duration;
using entente::net::HttpOutcome;
using entente::net::HttpRequest;
using entente::net::HttpResponse;
using Clock = std::chrono::steady_clock;

constexpr Duration kTimeout = std::chrono::seconds(60);

struct Options {
  std::string mode;
  std::string target;
  std::string definition;
  size_t in_flight = 64;
  double seconds = 5;
  double warm_up = 1;
  uint64_t count = 0;
  double rate = 0;  // 0: as fast as they end.
  std::string token_file;
  std::string ca_file;  // Of https.
};

// Keeps `in_flight` requests going until the time is over or `count` were sent.
class Loop {
 public:
  Loop(const Options& options, boost::asio::io_context& io) : options_(options), io_(io) {}

  // `send(done)` sends one request and calls done(ok) at its end.
  std::function<void(std::function<void(bool)>)> send;

  void Run() {
    begin_ = Clock::now();
    measure_from_ =
        begin_ + std::chrono::duration_cast<Clock::duration>(
                     std::chrono::duration<double>(options_.count ? 0 : options_.warm_up));
    until_ = measure_from_ + std::chrono::duration_cast<Clock::duration>(
                                 std::chrono::duration<double>(options_.seconds));
    if (options_.rate > 0) {
      Tick();
    } else {
      for (size_t i = 0; i < options_.in_flight; ++i) {
        Next();
      }
    }
    io_.run();
    Print();
  }

 private:
  [[nodiscard]] bool Over() const {
    return options_.count != 0 ? sent_ >= options_.count : Clock::now() >= until_;
  }

  // Sends what is due by now. Its latency counts from when it was due.
  void Tick() {
    const auto due = [this] {
      return begin_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(
                          static_cast<double>(sent_) / options_.rate));
    };
    while (!Over() && due() <= Clock::now()) {
      Send(due());
    }
    if (!Over()) {
      timer_.expires_at(due());
      timer_.async_wait([this](const boost::system::error_code&) { Tick(); });
    } else if (running_ == 0) {
      io_.stop();
    }
  }

  void Next() {
    if (!Over()) {
      Send(Clock::now());
    } else if (running_ == 0) {
      io_.stop();
    }
  }

  void Send(Clock::time_point start) {
    ++sent_;
    ++running_;
    send([this, start](bool ok) {
      --running_;
      const auto end = Clock::now();
      if (start >= measure_from_ && (options_.count != 0 || end <= until_)) {
        ok ? latencies_.push_back(std::chrono::duration<double, std::milli>(end - start).count())
           : void(++failed_);
      }
      last_ = end;
      if (options_.rate == 0) {
        Next();
      } else if (running_ == 0 && Over()) {
        io_.stop();
      }
    });
  }

  double Percentile(double share) const {
    if (latencies_.empty()) {
      return 0;
    }
    const auto index = static_cast<size_t>(share * static_cast<double>(latencies_.size()));
    return latencies_[std::min(index, latencies_.size() - 1)];
  }

  void Print() {
    std::sort(latencies_.begin(), latencies_.end());
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds_of = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    const double measured = options_.count != 0
                                ? std::chrono::duration<double>(last_ - begin_).count()
                                : options_.seconds;
    std::printf(
        "{\"count\": %zu, \"failed\": %llu, \"sent\": %llu, \"seconds\": %.3f, \"per_second\": "
        "%.1f, "
        "\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"p999_ms\": %.3f, \"cpu_seconds\": %.3f}\n",
        latencies_.size(), static_cast<unsigned long long>(failed_),
        static_cast<unsigned long long>(sent_), measured,
        static_cast<double>(latencies_.size()) / measured, Percentile(0.5), Percentile(0.99),
        Percentile(0.999), seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
  }

  const Options& options_;
  boost::asio::io_context& io_;
  boost::asio::steady_timer timer_{io_};
  Clock::time_point begin_, measure_from_, until_, last_;
  uint64_t sent_ = 0;
  uint64_t running_ = 0;
  uint64_t failed_ = 0;
  std::vector<double> latencies_;
};

// The request that the coordinator would send to a participant.
HttpRequest RawRequest(const entente::net::Url& url) {
  HttpRequest request;
  request.url = url;
  request.headers.Add("Idempotency-Key", "0193a0a0-0000-7000-8000-000000000000:flight");
  request.headers.Add("Entente-Gid", "0193a0a0-0000-7000-8000-000000000000");
  request.headers.Add("Entente-Branch", "flight");
  request.headers.Add("Entente-Operation", "action");
  request.headers.Add("Entente-Attempt", "1");
  request.headers.Add("Entente-Epoch", "1");
  request.headers.Add("Content-Type", "application/json");
  request.body = R"({"key":"0193a0a0-0000-7000-8000-000000000000:flight","amount":100})";
  return request;
}

std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

HttpRequest SubmitRequest(const entente::net::Url& url, const Options& options) {
  HttpRequest request;
  request.url = url;
  request.url.target = "/v1/transactions";
  request.headers.Add("Content-Type", "application/json");
  if (!options.token_file.empty()) {
    request.headers.Add("Authorization", "Bearer " + FirstLine(options.token_file));
  }
  request.body = R"({"definition":")" + options.definition + R"(","input":{"amount":100})" +
                 (options.mode == "submit" ? R"(,"wait":"60s"})" : "}");
  return request;
}

int RunHttp(const Options& options) {
  const auto url = entente::net::ParseUrl(options.target);
  if (!url.ok()) {
    std::fprintf(stderr, "bench-load: %s\n", url.status().message().c_str());
    return 2;
  }
  boost::asio::io_context io(1);
  entente::net::HttpClientOptions client_options;
  if (!options.ca_file.empty()) {
    auto tls = entente::net::TlsContext::ForClients({options.ca_file, {}, {}});
    if (!tls.ok()) {
      std::fprintf(stderr, "bench-load: %s\n", tls.status().message().c_str());
      return 2;
    }
    client_options.tls = entente::net::Always(*tls);
  }
  entente::net::HttpClient client(io, std::move(client_options));
  Loop loop(options, io);
  const HttpRequest request =
      options.mode == "raw-http" ? RawRequest(*url) : SubmitRequest(*url, options);
  loop.send = [&](std::function<void(bool)> done) {
    client.Call(request, kTimeout, [&options, done = std::move(done)](HttpOutcome outcome) {
      const auto* response = std::get_if<HttpResponse>(&outcome);
      const bool good = response != nullptr && response->status < 300;
      // A saga that did not commit is no result.
      done(good &&
           (options.mode != "submit" || response->body.find("\"COMMITTED\"") != std::string::npos));
    });
  };
  loop.Run();
  return 0;
}

int RunGrpc(const Options& options) {
  const auto target = entente::net::ParseAuthority(options.target, false, 0);
  if (!target.ok()) {
    std::fprintf(stderr, "bench-load: %s\n", target.status().message().c_str());
    return 2;
  }
  boost::asio::io_context io(1);
  entente::net::GrpcClient client(io, {});
  Loop loop(options, io);
  loop.send = [&](std::function<void(bool)> done) {
    entente::net::GrpcRequest request;
    request.target = *target;
    request.method = "/entente.bench.v1.Bench/Do";
    request.body = {{"key", "0193a0a0-0000-7000-8000-000000000000:flight"}, {"amount", 100}};
    request.metadata.Add("idempotency-key", "0193a0a0-0000-7000-8000-000000000000:flight");
    request.metadata.Add("entente-gid", "0193a0a0-0000-7000-8000-000000000000");
    client.Call(std::move(request), kTimeout,
                [done = std::move(done)](entente::net::GrpcOutcome outcome) {
                  const auto* response = std::get_if<entente::net::GrpcResponse>(&outcome);
                  done(response != nullptr && response->code == 0);
                });
  };
  loop.Run();
  return 0;
}

// One event stream, whose bytes are read and counted as they come.
class EventReader {
 public:
  EventReader(boost::asio::io_context& io, const entente::net::Url& url) : socket_(io) {
    socket_.connect({boost::asio::ip::make_address(url.origin.host), url.origin.port});
    const std::string head = "GET /v1/events HTTP/1.1\r\nHost: " + url.origin.host + "\r\n\r\n";
    boost::asio::write(socket_, boost::asio::buffer(head));
    Read();
  }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  [[nodiscard]] bool ended() const { return ended_; }

 private:
  void Read() {
    socket_.async_read_some(boost::asio::buffer(buffer_),
                            [this](const boost::system::error_code& error, size_t bytes) {
                              bytes_ += bytes;
                              ended_ = static_cast<bool>(error);
                              if (!ended_) {
                                Read();
                              }
                            });
  }

  boost::asio::ip::tcp::socket socket_;
  std::vector<char> buffer_ = std::vector<char>(64 * 1024);
  uint64_t bytes_ = 0;
  bool ended_ = false;
};

int RunStreams(const Options& options) {
  const auto url = entente::net::ParseUrl(options.target);
  if (!url.ok()) {
    std::fprintf(stderr, "bench-load: %s\n", url.status().message().c_str());
    return 2;
  }
  boost::asio::io_context io(1);
  std::vector<std::unique_ptr<EventReader>> readers;
  for (uint64_t i = 0; i < options.count; ++i) {
    readers.push_back(std::make_unique<EventReader>(io, *url));
  }
  io.run_for(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(options.seconds)));
  uint64_t bytes = 0;
  size_t ended = 0;
  for (const auto& reader : readers) {
    bytes += reader->bytes();
    ended += reader->ended() ? 1 : 0;
  }
  std::printf("{\"streams\": %zu, \"ended\": %zu, \"megabytes_per_second\": %.2f}\n",
              readers.size(), ended, static_cast<double>(bytes) / 1e6 / options.seconds);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"A closed loop of requests", "bench-load"};
  app.add_option("mode", options.mode, "raw-http, raw-grpc, submit, open or streams")->required();
  app.add_option("--target", options.target)->required();
  app.add_option("--definition", options.definition);
  app.add_option("--in-flight", options.in_flight);
  app.add_option("--seconds", options.seconds);
  app.add_option("--warm-up", options.warm_up);
  app.add_option("--count", options.count);
  app.add_option("--rate", options.rate);
  app.add_option("--token-file", options.token_file);
  app.add_option("--ca", options.ca_file);
  CLI11_PARSE(app, argc, argv);
  if (options.mode == "streams") {
    return RunStreams(options);
  }
  return options.mode == "raw-grpc" ? RunGrpc(options) : RunHttp(options);
}
