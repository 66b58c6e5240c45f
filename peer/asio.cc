// What of Asio is no template, compiled here and nowhere else (ASIO_SEPARATE_COMPILATION).
#include <asio/impl/src.hpp>
