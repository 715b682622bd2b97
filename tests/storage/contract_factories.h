// Which journals the contract suite is run against: those of the program it is compiled into.
#pragma once

#include "storage/sealed/sealed_journal.h"
#include "tests/storage/journal_fixtures.h"

namespace entente::storage {

// The journals of another factory, encrypted with a key of the tests'.
template <class Factory>
struct SealedFactory : Factory {
  std::unique_ptr<Journal> OpenOther() {
    auto keys = KeyRing::Parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").value();
    return SealJournal(Factory::OpenOther(), std::move(keys)).value();
  }
  std::unique_ptr<OwnedJournal> Open() { return std::make_unique<OwnedJournal>(OpenOther()); }
};

}  // namespace entente::storage

#ifdef STORAGE_CONTRACT_POSTGRES
#include "tests/storage/postgres_fixtures.h"
#define JOURNAL_TEST_CASE(name) \
  TEMPLATE_TEST_CASE(name, "[contract]", PostgresFactory, SealedFactory<PostgresFactory>)
#else
#define JOURNAL_TEST_CASE(name)                                                            \
  TEMPLATE_TEST_CASE(name, "[contract]", MemoryFactory, SqliteFactory, EagerSqliteFactory, \
                     SealedFactory<SqliteFactory>, SealedFactory<EagerSqliteFactory>)
#endif
