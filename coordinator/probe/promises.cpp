#include "coordinator/probe/promises.h"

#include "base/check.h"

namespace entente::probe {

const Promise& PromiseOf(Broken broken) {
  static constexpr std::string_view kRepeat =
      "a call with a known key changes nothing and gets the stored answer";
  static constexpr std::string_view kUndo =
      "an undo of a key never seen succeeds and is remembered; the call that comes after it is "
      "refused";
  static constexpr std::string_view kAgain =
      "an undo or a finish may come again, and succeeds again";
  static constexpr std::string_view kOnce =
      "once per key: effect, key and answer are stored together";
  switch (broken) {
    case Broken::kRepeatRefused: {
      static constexpr Promise kPromise = {
          2, "repeat.refused", kRepeat,
          "an answer is lost and the call is sent again: what was done counts as refused, the "
          "transaction is aborted for nothing, and past the pivot somebody is called"};
      return kPromise;
    }
    case Broken::kRepeatUnknown: {
      static constexpr Promise kPromise = {2, "repeat.unknown", kRepeat,
                                           "an answer is lost: no repeat settles it, so the "
                                           "transaction is aborted though all was well"};
      return kPromise;
    }
    case Broken::kRepeatDiffers: {
      static constexpr Promise kPromise = {2, "repeat.differs", kRepeat,
                                           "an answer is lost and the call is sent again: it "
                                           "happens twice, and only one of the two is "
                                           "ever undone"};
      return kPromise;
    }
    case Broken::kRepeatActs: {
      static constexpr Promise kPromise = {
          1, "repeat.acts", kOnce,
          "an answer is lost and the call is sent again: it happens twice under one key"};
      return kPromise;
    }
    case Broken::kUndoUnseen: {
      static constexpr Promise kPromise = {3, "undo.unseen", kUndo,
                                           "a call is lost on its way and given up: its undo never "
                                           "succeeds, and somebody is called to a "
                                           "transaction of which nothing is left"};
      return kPromise;
    }
    case Broken::kLateActs: {
      static constexpr Promise kPromise = {
          3, "undo.late", kUndo,
          "the network holds a call back until after its undo: what it does stands for ever in a "
          "transaction that is aborted"};
      return kPromise;
    }
    case Broken::kUndoAgain: {
      static constexpr Promise kPromise = {4, "undo.again", kAgain,
                                           "the answer of an undo is lost: every repeat fails, and "
                                           "somebody is called although all is undone"};
      return kPromise;
    }
    case Broken::kUndoDoesNothing: {
      static constexpr Promise kPromise = {
          4, "undo.nothing", "an undo that succeeds has undone",
          "every transaction that is aborted leaves something behind, and nothing says so"};
      return kPromise;
    }
    case Broken::kUndoOfOthers: {
      static constexpr Promise kPromise = {
          1, "undo.others", "an undo is of its own key",
          "one transaction is aborted, and another one loses what it holds"};
      return kPromise;
    }
    case Broken::kTogetherActs: {
      static constexpr Promise kPromise = {
          2, "together.acts", "two copies may arrive at the same moment",
          "a call is sent again while the first is still at work: it happens twice"};
      return kPromise;
    }
    case Broken::kTogetherRefused: {
      static constexpr Promise kPromise = {2, "together.refused",
                                           "two copies may arrive at the same moment",
                                           "a call is sent again while the first is still at work: "
                                           "it counts as refused though it is "
                                           "done a moment later (answer 425: that is asked again)"};
      return kPromise;
    }
    case Broken::kTogetherUnsettled: {
      static constexpr Promise kPromise = {
          2, "together.unsettled", "two copies may arrive at the same moment",
          "a call is sent again while the first is still at work: neither is ever answered"};
      return kPromise;
    }
    case Broken::kCutRefused: {
      static constexpr Promise kPromise = {1, "cut.refused", kOnce,
                                           "a connection breaks in the middle of a call: the "
                                           "repeat is refused, so what was half done "
                                           "counts as not done, or somebody is called"};
      return kPromise;
    }
    case Broken::kCutUnsettled: {
      static constexpr Promise kPromise = {1, "cut.unsettled", kOnce,
                                           "a connection breaks in the middle of a call: no repeat "
                                           "is ever answered, and the transaction "
                                           "is aborted or stuck"};
      return kPromise;
    }
    case Broken::kFinishFails: {
      static constexpr Promise kPromise = {
          6, "finish.fails", "after a try or prepare that succeeded its confirm or commit succeeds",
          "the transaction is decided and can not be finished: others are confirmed, this one is "
          "not"};
      return kPromise;
    }
    case Broken::kFinishAgain: {
      static constexpr Promise kPromise = {4, "finish.again", kAgain,
                                           "the answer of a confirm or commit is lost: every "
                                           "repeat fails, and somebody is called although "
                                           "all is done"};
      return kPromise;
    }
  }
  CheckFailed("Broken is a declared enumerator", __FILE__, __LINE__);
}

}  // namespace entente::probe
