// What the words of other saga engines, state machines and workflow languages are called here.
#pragma once

#include <string_view>

namespace entente::dsl {

// What to write instead of `word` ("write 'choose': ..."), or nothing if it is no such word.
[[nodiscard]] std::string_view AdviceForWord(std::string_view word);

}  // namespace entente::dsl
