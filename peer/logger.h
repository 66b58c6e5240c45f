// spdlog's logger, with the engine that formats its lines compiled once, in logger.cc: fmt 9 would
// make it anew in each file that logs, which is a third of that file's code and of its build.
#pragma once

#include <fmt/format.h>
#include <spdlog/logger.h>

extern template void fmt::detail::vformat_to<char>(
    fmt::detail::buffer<char>& out, fmt::basic_string_view<char> format,
    fmt::basic_format_args<fmt::buffer_context<char>> arguments, fmt::detail::locale_ref locale);
