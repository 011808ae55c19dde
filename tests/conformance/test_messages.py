"""Messages: delivered once, in order, consumed together with the receive's checkpoint."""

from __future__ import annotations

from holdfast.core.model import Kind, Status
from holdfast.store.writes import Finish, Received, Record, Send, Unit
from tests.conformance.kit import Bench, checkpoint, for_message, message, next_epoch, receive


def test_a_message_is_received_with_its_checkpoint(bench: Bench) -> None:
    fence = bench.start("one")
    assert bench.tell("one", '"hello"') is Status.RUNNING
    assert "one" in bench.last.news
    assert bench.ask(receive(), fence) == Received(settled=True, body='"hello"')
    [recorded] = bench.store.journal("one")
    assert (recorded.step_id, recorded.kind, recorded.output) == ("/recv#1", Kind.RECEIVE, '"hello"')


def test_messages_keep_their_order(bench: Bench) -> None:
    fence = bench.start("one")
    bench.tell("one", "1")
    bench.commit(*(Unit(writes=(Send(message=message("one", str(number))),)) for number in (2, 3, 4)))
    bodies = [bench.ask(receive(f"/recv#{number}"), fence).body for number in range(1, 5)]
    assert bodies == ["1", "2", "3", "4"]


def test_topics_are_separate(bench: Bench) -> None:
    fence = bench.start("one")
    bench.tell("one", "1", topic="a")
    bench.tell("one", "2", topic="b")
    assert bench.ask(receive("/recv#1", "b"), fence).body == "2"
    assert bench.ask(receive("/recv#2", ""), fence) == Received(settled=False)
    assert bench.ask(receive("/recv#3", "a"), fence).body == "1"


def test_the_same_message_id_is_delivered_once(bench: Bench) -> None:
    fence = bench.start("one")
    bench.tell("one", "1", message_id="key")
    bench.tell("one", "2", message_id="key")
    assert bench.ask(receive("/recv#1"), fence).body == "1"
    assert bench.ask(receive("/recv#2"), fence) == Received(settled=False)
    bench.tell("one", "3", message_id="key")
    assert bench.ask(receive("/recv#3"), fence) == Received(settled=False)


def test_message_ids_are_each_workflows_own(bench: Bench) -> None:
    one, two = bench.start("one"), bench.start("two")
    bench.tell("one", "1", message_id="key")
    bench.tell("two", "2", message_id="key")
    assert (bench.ask(receive(), one).body, bench.ask(receive(), two).body) == ("1", "2")


def test_a_recorded_receive_consumes_nothing_more(bench: Bench) -> None:
    fence = bench.start("one")
    bench.tell("one", "1")
    bench.tell("one", "2")
    assert bench.ask(receive(), fence).body == "1"
    assert bench.ask(receive(), fence).body == "1"
    assert bench.ask(receive("/recv#2"), fence).body == "2"


def test_without_a_message_the_waits_end_is_recorded_and_nothing_else(bench: Bench) -> None:
    fence = bench.start("one")
    timer = checkpoint("/recv#1/timer", kind=Kind.TIMER, output="123.5")
    assert bench.ask(receive(timer=timer), fence) == Received(settled=False)
    assert bench.store.journal("one") == [timer]
    bench.tell("one", "1")
    assert bench.ask(receive(timer=timer), fence) == Received(settled=True, body="1")


def test_the_first_recorded_end_of_a_wait_stays(bench: Bench) -> None:
    fence = bench.start("one")
    for end in ("1", "2"):
        bench.write(receive(timer=checkpoint("/recv#1/timer", kind=Kind.TIMER, output=end)), fence=fence)
    assert [each.output for each in bench.store.journal("one")] == ["1"]


def test_a_receive_that_timed_out_stays_so(bench: Bench) -> None:
    fence = bench.start("one")
    assert bench.ask(receive(expired=True), fence) == Received(settled=True, body=None)
    bench.tell("one", "1")
    assert bench.ask(receive(), fence) == Received(settled=True, body=None)
    assert bench.ask(receive("/recv#2"), fence).body == "1"


def test_a_message_that_is_there_wins_over_the_timeout(bench: Bench) -> None:
    fence = bench.start("one")
    bench.tell("one", "1")
    assert bench.ask(receive(expired=True), fence) == Received(settled=True, body="1")


def test_message_and_timeout_in_one_batch_settle_once(bench: Bench) -> None:
    fence = bench.start("one")
    _, receipt = bench.commit(
        Unit(writes=(Send(message=message("one", "1")),)),
        Unit(fence=fence, writes=(receive(expired=True),)),
    )
    [settled] = receipt.results
    assert bench.ask(receive(), fence) == settled
    later = bench.ask(receive("/recv#2"), fence)
    assert {settled.body, later.body} == {"1", None}


def test_nobody_receives_what_was_sent_to_an_unknown_workflow(bench: Bench) -> None:
    assert bench.tell("none", message_id="key") is None
    assert bench.last.news == frozenset()
    fence = bench.start("none")
    assert bench.ask(receive(), fence) == Received(settled=False)
    assert bench.tell("none", "1", message_id="key") is Status.RUNNING


def test_the_sender_learns_that_a_workflow_has_ended(bench: Bench) -> None:
    bench.finish(bench.start("one"))
    assert bench.tell("one") is Status.SUCCEEDED


def test_a_send_from_a_workflow_stands_or_falls_with_its_checkpoint(bench: Bench) -> None:
    sender, receiver = bench.start("sender"), bench.start("receiver")
    sent = Send(message=message("receiver", "1", sender_id="sender"))
    stale = next_epoch(sender)
    assert bench.refused(Record(checkpoint=checkpoint("/send#1")), sent, fence=stale)
    assert bench.ask(receive("/recv#1"), receiver) == Received(settled=False)
    bench.write(Record(checkpoint=checkpoint("/send#1")), sent, fence=sender)
    assert bench.ask(receive("/recv#2"), receiver).body == "1"


def test_a_receive_can_share_a_unit_with_what_follows_it(bench: Bench) -> None:
    fence = bench.start("one")
    bench.tell("one", "1")
    received, _, _ = bench.write(
        receive(),
        Record(checkpoint=checkpoint("/pay#1", seq=2)),
        Finish(status=Status.SUCCEEDED, output="2"),
        fence=fence,
    )
    assert received.body == "1"
    assert bench.steps("one") == ["/recv#1", "/pay#1"]
    assert bench.status("one") is Status.SUCCEEDED


def test_a_message_wakes_who_waits_for_its_topic_only(bench: Bench) -> None:
    one, two = bench.start("one"), bench.start("two")
    bench.sleep(one, for_message("one", "a"))
    bench.sleep(two, for_message("two", "b"))
    bench.tell("one", topic="b")
    bench.tell("two", topic="b")
    assert bench.last.ready
    assert (bench.status("one"), bench.status("two")) == (Status.SUSPENDED, Status.ENQUEUED)
