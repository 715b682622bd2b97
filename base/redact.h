// Takes values that nobody is to see out of text that somebody will see.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace entente {

// Writes `shown_instead` for each of `values` in `text`: as they are, and however the text of a
// JSON string can spell them ("a\/b"). Not in any other encoding. Of values of which one begins
// with the other, the longer one is taken. No value may be empty.
void Redact(const std::vector<std::string>& values, std::string_view shown_instead,
            std::string& text);
// In every string of a document, names of members too.
void Redact(const std::vector<std::string>& values, std::string_view shown_instead, Json& document);

}  // namespace entente
