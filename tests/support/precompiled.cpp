// Compiles the headers that every test includes, once (tests/CMakeLists.txt).
