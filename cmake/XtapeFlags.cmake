# Compiler flags, by purpose. None of them reaches a user of the library, but for the sanitizers, which must.

function(xtape_warnings target)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                           $<$<BOOL:${XTAPE_WERROR}>:-Werror>
                           # g++'s own libraries look uninitialised to it once they are instrumented
                           $<$<BOOL:${XTAPE_SANITIZE}>:-Wno-maybe-uninitialized>)
endfunction()

# A program is sanitized as a whole or not at all, so these travel with the target, the installed one too.
function(xtape_sanitize target)
    if(XTAPE_SANITIZE)
        list(JOIN XTAPE_SANITIZE "," sanitizers)
        target_compile_options(${target} PUBLIC -fsanitize=${sanitizers} -fno-sanitize-recover=all
                               -fno-omit-frame-pointer)
        target_compile_definitions(${target} PUBLIC _GLIBCXX_ASSERTIONS)
        target_link_options(${target} PUBLIC -fsanitize=${sanitizers})
    endif()
endfunction()

# What the kernels are compiled for. The flag "native" reads the same on every machine, so what it stands for is hashed into
# the command line: a build directory carried to another CPU recompiles instead of dying of an illegal instruction.
function(xtape_instruction_set target)
    if(XTAPE_NATIVE)
        execute_process(COMMAND ${CMAKE_CXX_COMPILER} -march=native -dM -E -x c++ /dev/null
                        OUTPUT_VARIABLE native COMMAND_ERROR_IS_FATAL ANY)
        string(MD5 native "${native}")
        target_compile_options(${target} PRIVATE -march=native)
        target_compile_definitions(${target} PRIVATE XTAPE_NATIVE_CPU=0x${native})
    elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
        target_compile_options(${target} PRIVATE -march=x86-64-v2)
    endif()
endfunction()
