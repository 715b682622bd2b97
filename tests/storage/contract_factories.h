// Which journals the contract suite is run against: those of the program it is compiled into.
#pragma once

#include "tests/storage/journal_fixtures.h"

#ifdef STORAGE_CONTRACT_POSTGRES
#include "tests/storage/postgres_fixtures.h"
#define JOURNAL_TEST_CASE(name) TEMPLATE_TEST_CASE(name, "[contract]", PostgresFactory)
#else
#define JOURNAL_TEST_CASE(name) \
  TEMPLATE_TEST_CASE(name, "[contract]", MemoryFactory, SqliteFactory, EagerSqliteFactory)
#endif
