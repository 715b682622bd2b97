// HTTP requests as attackers and odd clients send them, for whatever serves HTTP.
#pragma once

#include <string>
#include <vector>

namespace entente::net::testing {

struct HttpCase {
  std::string text;  // One whole request, as its sender would have it.
  bool taken;        // Else it is refused, and the connection closed.
};

// Whose head decides.
inline std::vector<HttpCase> HeadCases() {
  std::vector<HttpCase> cases;
  const auto head = [&cases](bool taken, const std::string& fields, const std::string& body = "",
                             const std::string& line = "POST /x HTTP/1.1") {
    cases.push_back({line + "\r\nHost: h\r\n" + fields + "\r\n" + body, taken});
  };
  const std::string chunks = "3\r\nabc\r\n0\r\n\r\n";
  // Transfer codings.
  head(true, "Transfer-Encoding: chunked\r\n", chunks);
  head(true, "transfer-encoding:CHUNKED\r\n", chunks);
  head(true, "Transfer-Encoding: \t chunked \t\r\n", chunks);
  for (const char* coding : {"xchunked",
                             "chunkedx",
                             "chunked,",
                             ", chunked",
                             "chunked, chunked",
                             "chunked,identity",
                             "identity",
                             "gzip",
                             "gzip, chunked",
                             "chunked, gzip",
                             "identity, chunked",
                             "cow",
                             "chunked;q=1",
                             "\"chunked\"",
                             "chunked\x0b",
                             "\x0b"
                             "chunked",
                             "chun ked",
                             "chunke",
                             "",
                             "\xa0"
                             "chunked",
                             "chunked\x7f",
                             "x, y"}) {
    head(false, "Transfer-Encoding: " + std::string(coding) + "\r\n", chunks);
  }
  head(false, std::string("Transfer-Encoding: chunked\0\r\n", 29), chunks);
  head(false, "Transfer-Encoding : chunked\r\n", chunks);
  head(false, "Transfer-Encoding\t: chunked\r\n", chunks);
  head(false, " Transfer-Encoding: chunked\r\n", chunks);
  head(false, "Transfer-Encoding:\r\n chunked\r\n", chunks);
  head(false, "Transfer-Encoding: chunked\r\n , identity\r\n", chunks);
  head(false, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunks);
  head(false, "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", chunks);
  head(false, "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", chunks);
  head(false, "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", chunks);
  head(false, "Transfer-Encoding: chunked\n", chunks);
  head(false, "X: y\nTransfer-Encoding: chunked\r\n", chunks);
  head(false, "X: y\rTransfer-Encoding: chunked\r\n", chunks);
  head(false, "Transfer-Encoding: chunked\r\n", chunks, "POST /x HTTP/1.0");
  // Lengths.
  head(true, "Content-Length: 3\r\n", "abc");
  head(true, "content-length:\t003 \r\n", "abc");
  head(true, "Content-Length: 0\r\n");
  for (const char* length :
       {"+3", "-3", "-0", "3.0", "3e0", "0x3", "3x", "x", "", "3 3", "3, 3", "3,3", "3,4", "3;",
        "\xd9\xa3", "3\x0b", "18446744073709551616", "99999999999999999999999"}) {
    head(false, "Content-Length: " + std::string(length) + "\r\n", "abc");
  }
  head(false, "Content-Length: 3\r\nContent-Length: 3\r\n", "abc");
  head(false, "Content-Length: 3\r\nContent-Length: 4\r\n", "abc");
  head(false, "Content-Length: 3\r\ncontent-length: 0\r\n", "abc");
  head(false, "Content-Length : 3\r\n", "abc");
  head(false, "Content-Length:\r\n 3\r\n", "abc");
  head(false, "Content-Length: 3\r\n 4\r\n", "abc");
  // Both.
  head(false, "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", chunks);
  head(false, "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", chunks);
  head(false, "Transfer-Encoding: x\r\nContent-Length: 3\r\n", chunks);
  head(false, "Content-Length: 0\r\nTransfer-Encoding: identity\r\n", chunks);
  // Lines.
  head(true, "X:\r\nY: \xc3\xa9\t!\r\n");
  head(false, "X: y\r\n z\r\n");
  head(false, "X: y\r\n\tz\r\n");
  head(false, "X: y\x01\r\n");
  head(false, std::string("X: y\0\r\n", 7));
  head(false, std::string("X\0: y\r\n", 7));
  head(false, "X: y\x7f\r\n");
  head(false, "X: y\x1b[31m\r\n");
  head(false, "no colon\r\n");
  head(false, ": no name\r\n");
  head(false, "a b: c\r\n");
  head(false, "a(b): c\r\n");
  // What may stand once.
  head(true, "Content-Type: a/b\r\ncontent-type:  a/b\r\nEntente-Gid: g\r\nEntente-Gid: g\r\n");
  head(true, "X-Tag: a\r\nX-Tag: b\r\nAccept: a\r\nAccept: b\r\n");
  for (const char* name : {"Content-Type", "Location", "Retry-After", "Idempotency-Key",
                           "Entente-Vote", "ENTENTE-ANYTHING", "Last-Event-ID"}) {
    head(false, std::string(name) + ": 1\r\n" + name + ": 2\r\n");
  }
  head(false, "Expect: 200-ok\r\n");
  // Start lines.
  for (const char* line : {"POST  /x HTTP/1.1",
                           "POST /x  HTTP/1.1",
                           "POST\t/x HTTP/1.1",
                           "POST /x HTTP/1.1 ",
                           " POST /x HTTP/1.1",
                           "POST /x y HTTP/1.1",
                           "POST /x",
                           "POST /x HTTP/2.0",
                           "POST /x HTTP/1.2",
                           "POST /x HTTP/11",
                           "POST /x http/1.1",
                           "POST /x HTTP/1.1x",
                           "P@ST /x HTTP/1.1",
                           "/x HTTP/1.1",
                           "POST x HTTP/1.1",
                           "POST /\xc3\xa9 HTTP/1.1",
                           "POST /x#y HTTP/1.1",
                           "POST /%zz HTTP/1.1",
                           "POST /%4 HTTP/1.1",
                           "POST /% HTTP/1.1",
                           "POST /x?a=%g0 HTTP/1.1",
                           "POST * HTTP/1.1",
                           "CONNECT h:80 HTTP/1.1",
                           "CONNECT http://h/ HTTP/1.1",
                           "POST h:80 HTTP/1.1",
                           "POST ftp://h/ HTTP/1.1",
                           "POST http:/x HTTP/1.1",
                           "POST http:///x HTTP/1.1",
                           "POST http://u@h/ HTTP/1.1",
                           "POST http://h:x/ HTTP/1.1",
                           "POST http://[::1/ HTTP/1.1"}) {
    head(false, "", "", line);
  }
  for (const char* line :
       {"POST http://h/x HTTP/1.1", "POST HTTP://h:80/x?y HTTP/1.1", "POST http://h HTTP/1.1",
        "OPTIONS * HTTP/1.1", "POST /%C3%A9 HTTP/1.1", "POST /%2F%41?%41 HTTP/1.1",
        "M-SEARCH /x HTTP/1.1", "POST /x HTTP/1.0"}) {
    head(true, "", "", line);
  }
  // Hosts.
  for (const char* host : {"h", "h:", "h:80", "h.", "a-b.c_d", "127.0.0.1:80", "[::1]", "[::1]:80",
                           "1.example", "0xg", "%41"}) {
    cases.push_back({"GET /x HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n", true});
  }
  for (const char* host : {"",
                           ":80",
                           "localhost:1@evil",
                           "u@h",
                           "u:p@h",
                           "[::1",
                           "[::1]x",
                           "[::1]80",
                           "[h]",
                           "[]",
                           "::1",
                           "127.",
                           "127.1",
                           "127.0.0.256",
                           "127.0.0.1.",
                           "127.0.0.0x1",
                           "0x7f.1",
                           "2130706433",
                           "h:x",
                           "h:65536",
                           "h:8 0",
                           "h:80:80",
                           "h:-1",
                           "a b",
                           "a/b",
                           "a,b c",
                           "a\\b",
                           "h?x",
                           "h#x",
                           "\xc3\xa9",
                           "%zz",
                           "a, b@c"}) {
    cases.push_back({"GET /x HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n", false});
  }
  cases.push_back({"GET /x HTTP/1.1\r\n\r\n", false});
  cases.push_back({"GET /x HTTP/1.0\r\n\r\n", true});
  cases.push_back({"GET /x HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", false});
  cases.push_back({"GET /x HTTP/1.1\r\nHost: h\r\nHost: g\r\n\r\n", false});
  cases.push_back({"GET /x HTTP/1.0\r\nHost: h\r\nHost: g\r\n\r\n", false});
  cases.push_back({"GET http://h/x HTTP/1.1\r\nHost: u@g\r\n\r\n", false});
  cases.push_back({"GET http://h/x HTTP/1.1\r\nHost: other\r\n\r\n", true});
  // Empty lines before.
  cases.push_back({"\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n", true});
  cases.push_back({"\r\n\r\n\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n", true});
  cases.push_back({"\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n", false});
  cases.push_back({"\rGET /x HTTP/1.1\r\nHost: h\r\n\r\n", false});
  cases.push_back({" \r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n", false});
  cases.push_back({"GET /x HTTP/1.1\nHost: h\n\n", false});
  return cases;
}

// With a head that is in order, whose chunks decide.
inline std::vector<HttpCase> ChunkCases() {
  std::vector<HttpCase> cases;
  for (const auto& [chunks, taken] : std::vector<std::pair<std::string, bool>>{
           {"0\r\n\r\n", true},
           {"3\r\nabc\r\n0\r\n\r\n", true},
           {"0003\r\nabc\r\n000\r\n\r\n", true},
           {"A\r\n0123456789\r\n0\r\n\r\n", true},
           {"3;x\r\nabc\r\n0;y=z\r\n\r\n", true},
           {"3;x=\"a;b\"\r\nabc\r\n0\r\n\r\n", true},
           {"3\r\nabc\r\n0\r\nX: y\r\n\r\n", true},
           {"3\r\nabc\r\n0\r\nHost: evil\r\n\r\n", true},
           {"\r\n0\r\n\r\n", false},
           {"0x3\r\nabc\r\n0\r\n\r\n", false},
           {"+3\r\nabc\r\n0\r\n\r\n", false},
           {"-1\r\nabc\r\n0\r\n\r\n", false},
           {" 3\r\nabc\r\n0\r\n\r\n", false},
           {"3 \r\nabc\r\n0\r\n\r\n", false},
           {"3,\r\nabc\r\n0\r\n\r\n", false},
           {"g\r\nabc\r\n0\r\n\r\n", false},
           {"3\nabc\r\n0\r\n\r\n", false},
           {"3\rabc\r\n0\r\n\r\n", false},
           {"3\r\nabcd\r\n0\r\n\r\n", false},
           {"3\r\nab\r\n0\r\n\r\n", false},
           {"3\r\nabc0\r\n\r\n", false},
           {"3\r\nabc\n0\r\n\r\n", false},
           {"10000000000000003\r\nabc\r\n0\r\n\r\n", false},
           {"ffffffffffffffff\r\nabc\r\n0\r\n\r\n", false},
           {"3;\r\nabc\r\n0\r\n\r\n", false},
           {"3;x=\r\nabc\r\n0\r\n\r\n", false},
           {"3;x=\"\n\"\r\nabc\r\n0\r\n\r\n", false},
           {"3;x=\"\x01\"\r\nabc\r\n0\r\n\r\n", false},
           {"3\r\nabc\r\n0\r\nX: y\nZ: a\r\n\r\n", false},
           {"3\r\nabc\r\n0\r\nno colon\r\n\r\n", false},
           {"3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n", false},
           {"3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", false},
       }) {
    cases.push_back(
        {"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, taken});
  }
  return cases;
}

}  // namespace entente::net::testing
