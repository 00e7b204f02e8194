// The test program's main(); the suites are in the files of the folder above.
#define BOOST_TEST_MODULE xtape
#include <boost/test/unit_test.hpp>
