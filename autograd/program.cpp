#include <xtape/autograd/program.hpp>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

#include <fmt/format.h>

#include <xtape/autograd/error.hpp>

namespace xtape {

namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

/// A file without a name, gone when closed.
File temporary_file() {
    File file(std::tmpfile(), std::fclose);
    if (!file) throw DataError(fmt::format("no temporary file: {}", std::system_category().message(errno)));
    return file;
}

std::string contents(std::FILE* file) {
    std::rewind(file);
    std::string text(2000, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file));
    return text;
}

}  // namespace

bool run_program(const std::vector<std::string>& command, const std::string& input) {
    const std::string& name = command.front();
    const File in = temporary_file(), messages = temporary_file();
    if (std::fwrite(input.data(), 1, input.size(), in.get()) != input.size() || std::fflush(in.get()) != 0)
        throw DataError(fmt::format("{}: cannot write its input: {}", name, std::system_category().message(errno)));
    std::rewind(in.get());

    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, fileno(in.get()), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, fileno(messages.get()), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, fileno(messages.get()), STDERR_FILENO);
    std::vector<std::string> words = command;
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_t process = 0;
    const int failure = posix_spawnp(&process, name.c_str(), &files, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    if (failure == ENOENT || failure == EACCES || failure == ENOTDIR) return false;
    if (failure != 0) throw DataError(fmt::format("{}: {}", name, std::system_category().message(failure)));

    int status = 0;
    while (waitpid(process, &status, 0) < 0) {
        if (errno != EINTR) throw DataError(fmt::format("{}: {}", name, std::system_category().message(errno)));
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        throw DataError(fmt::format("{} failed: {}", name, contents(messages.get())));
    return true;
}

}  // namespace xtape
