// Compiles the headers that most files include, once (cmake/Targets.cmake).
