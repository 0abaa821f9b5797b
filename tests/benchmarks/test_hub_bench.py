"""What a class costs its server: seconds until a student can work, and memory for each."""

import os
import time

import pytest
from hub_room import Room, Student, at_once, what_is_missing

missing = what_is_missing()
SETUP = "from helpers.gpu import setup; print(setup())"
TRAINING = """
import keras, numpy as np
images, labels = np.random.rand(4_096, 28, 28, 1), np.random.randint(0, 10, 4_096)
network = keras.Sequential([
    keras.layers.Conv2D(32, 3, activation="relu"), keras.layers.Conv2D(64, 3, activation="relu"),
    keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10, activation="softmax"),
])
network.compile("adam", "sparse_categorical_crossentropy")
print(len(network.fit(images, labels, batch_size=128, verbose=0).history["loss"]))
"""


def megabytes(student: Student) -> float:
    """What all processes of a student take; a page that three share counts a third for each."""
    return sum(each.memory_full_info().pss for each in student.room.processes(student.name)) / 1e6


@pytest.mark.skipif(missing is not None, reason=str(missing))
def test_seconds_and_memory_for_three_students_at_once():
    print(f"\nthree students at once, {len(os.sched_getaffinity(0))} cores: seconds, MB for each")
    begin = time.perf_counter()
    with Room("anna", "bela", "chen") as room:
        print(f"{'the hub starts and makes three accounts':58}{time.perf_counter() - begin:6.1f}")
        students = [Student(room, name) for name in room.names]

        def timed(what, function, those):
            begin = time.perf_counter()
            results = at_once(function, those)
            seconds = time.perf_counter() - begin
            memory = sum(map(megabytes, students)) / len(students)
            print(f"{what:58}{seconds:6.1f}{memory:8.0f}")
            return results

        timed("they sign in", Student.sign_in, students)
        timed("JupyterLab, with a first copy of the notebooks", Student.start, students)
        at_once(Student.stop, students)
        timed("JupyterLab, the next time", Student.start, students)
        kernels = timed("a kernel", Student.kernel, students)
        shown = timed("setup(): TensorFlow", lambda kernel: kernel.run(SETUP), kernels)
        assert all("profile" in text for text in shown), shown
        shown = timed("a small network, one epoch", lambda kernel: kernel.run(TRAINING), kernels)
        assert shown == ["1\n"] * 3
