# Turns a text file into a C++ string: cmake -D INPUT=... -D OUTPUT=... -P embed_openapi.cmake
file(READ ${INPUT} bytes HEX)
# A string literal may be too long for a compiler; an array of bytes may not.
string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${OUTPUT} "#include \"coordinator/api/rest/openapi_document.h\"

namespace entente::api {
namespace {
constexpr unsigned char kBytes[] = {
${bytes}};
}  // namespace

std::string_view OpenApiDocument() {
  return {reinterpret_cast<const char*>(kBytes), sizeof(kBytes)};
}

}  // namespace entente::api
")
