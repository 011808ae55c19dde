"""Messages: delivered once, in order, consumed together with the receive's checkpoint."""

from __future__ import annotations

from holdfast.core.model import Kind, Status
from holdfast.store.writes import Finish, Record, Send, Unit
from tests.conformance.kit import Bench, checkpoint, for_message, message, next_epoch, received


def test_a_message_is_received_with_its_checkpoint(bench: Bench) -> None:
    fence = bench.start("one")
    assert bench.tell("one", '"hello"') is Status.RUNNING
    assert "one" in bench.last.news
    assert bench.receive(fence) == '"hello"'
    [recorded] = bench.store.journal("one")
    assert (recorded.step_id, recorded.kind, recorded.output) == ("/recv#1", Kind.RECEIVE, '"hello"')
    assert bench.mailbox("one") == []


def test_messages_keep_their_order(bench: Bench) -> None:
    fence = bench.start("one")
    bench.tell("one", "1")
    bench.commit(*(Unit(writes=(Send(message=message("one", str(number))),)) for number in (2, 3, 4)))
    assert bench.mailbox("one") == ["1", "2", "3", "4"]
    assert [bench.receive(fence, f"/recv#{number}") for number in range(1, 5)] == ["1", "2", "3", "4"]


def test_only_the_oldest_are_read(bench: Bench) -> None:
    bench.start("one")
    bench.commit(*(Unit(writes=(Send(message=message("one", str(number))),)) for number in (1, 2, 3)))
    assert [each.body for each in bench.store.mailbox("one", "", 2)] == ["1", "2"]


def test_several_messages_are_received_in_one_batch(bench: Bench) -> None:
    one, two = bench.start("one"), bench.start("two")
    for workflow_id in ("one", "two"):
        for number in (1, 2, 3):
            bench.tell(workflow_id, str(number), message_id=f"m{number}")
    bench.commit(
        Unit(fence=one, writes=(*received("m1", "1"), *received("m2", "2", "/recv#2"))),
        Unit(fence=two, writes=received("m1", "1")),
        Unit(fence=next_epoch(two), writes=received("m2", "2", "/recv#2")),
    )
    assert (bench.mailbox("one"), bench.mailbox("two")) == (["3"], ["2", "3"])


def test_topics_are_separate(bench: Bench) -> None:
    fence = bench.start("one")
    bench.tell("one", "1", topic="a")
    bench.tell("one", "2", topic="b")
    assert bench.receive(fence, topic="b") == "2"
    assert (bench.mailbox("one"), bench.mailbox("one", "a"), bench.mailbox("one", "b")) == ([], ["1"], [])


def test_the_same_message_id_is_delivered_once(bench: Bench) -> None:
    fence = bench.start("one")
    bench.tell("one", "1", message_id="key")
    bench.tell("one", "2", message_id="key")
    assert bench.receive(fence) == "1"
    assert bench.mailbox("one") == []
    bench.tell("one", "3", message_id="key")
    assert bench.mailbox("one") == []


def test_message_ids_are_each_workflows_own(bench: Bench) -> None:
    one, two = bench.start("one"), bench.start("two")
    bench.tell("one", "1", message_id="key")
    bench.tell("two", "2", message_id="key")
    assert bench.receive(one) == "1"
    assert bench.receive(two) == "2"


def test_what_was_received_keeps_the_name_of_its_receive(bench: Bench) -> None:
    fence = bench.start("one")
    bench.tell("one", "1", message_id="m")
    bench.write(*received("m", "1"), fence=fence)
    bench.write(*received("m", "1", "/recv#2"), fence=fence)
    assert [each.consumed_by for each in bench.store.contents("one").messages] == ["/recv#1"]


def test_nobody_receives_what_was_sent_to_an_unknown_workflow(bench: Bench) -> None:
    assert bench.tell("none", message_id="key") is None
    assert bench.last.news == frozenset()
    bench.start("none")
    assert bench.mailbox("none") == []
    assert bench.tell("none", "1", message_id="key") is Status.RUNNING


def test_the_sender_learns_that_a_workflow_has_ended(bench: Bench) -> None:
    bench.finish(bench.start("one"))
    assert bench.tell("one") is Status.SUCCEEDED


def test_a_send_from_a_workflow_stands_or_falls_with_its_checkpoint(bench: Bench) -> None:
    sender, receiver = bench.start("sender"), bench.start("receiver")
    sent = Send(message=message("receiver", "1", sender_id="sender"))
    stale = next_epoch(sender)
    assert bench.refused(Record(checkpoint=checkpoint("/send#1")), sent, fence=stale)
    assert bench.mailbox(receiver.workflow_id) == []
    bench.write(Record(checkpoint=checkpoint("/send#1")), sent, fence=sender)
    assert bench.mailbox(receiver.workflow_id) == ["1"]


def test_a_receive_can_share_a_unit_with_what_follows_it(bench: Bench) -> None:
    fence = bench.start("one")
    bench.tell("one", "1", message_id="m")
    bench.write(
        *received("m", "1"),
        Record(checkpoint=checkpoint("/pay#1", seq=2)),
        Finish(status=Status.SUCCEEDED, output="2"),
        fence=fence,
    )
    assert bench.mailbox("one") == []
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
