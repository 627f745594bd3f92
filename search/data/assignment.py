"""Assign groups of images to parts: every class in every part as far as it goes, and the right share of each.

Iterative stratification (Sechidis et al. 2011, as in iterative-stratification) treats all rows alike; groups here
differ in size, so its parts drift from their shares: on the Mars tiles the worst class by up to 6 points, here by less
than half a point (benchmarks/split_shares.py). It minimizes, over parts and columns (images, and images that hold each
class), the squared distance to the wanted count as a share of the column's total.
"""

from dataclasses import dataclass

import numpy as np

MAX_PASSES = 10
MAX_ATTEMPTS = 20
UNASSIGNED = -1


@dataclass
class Board:
    """The state of an assignment: `counts` (G, K) of each group, `wanted` (P, K) of each part, `parts` (G,) so far.

    Column 0 counts images, each further one the images that hold a class, or are of a type. `optional` (K,) marks the
    columns that no part must have.
    """

    counts: np.ndarray
    wanted: np.ndarray
    parts: np.ndarray
    held: np.ndarray
    groups_with: np.ndarray
    scale: np.ndarray
    optional: np.ndarray

    def place(self, group: int, part: int) -> None:
        """Put an unassigned group into a part."""
        self.parts[group] = part
        self.held[part] += self.counts[group]
        self.groups_with[part] += self.counts[group] > 0

    def remove(self, group: int) -> None:
        """Take a group out of its part."""
        part = self.parts[group]
        self.parts[group] = UNASSIGNED
        self.held[part] -= self.counts[group]
        self.groups_with[part] -= self.counts[group] > 0

    def best_part(self, group: int) -> int:
        """The part that an unassigned group brings nearest to what is wanted."""
        return int(np.argmin((self.held - self.wanted) @ (self.counts[group] * self.scale)))

    @property
    def lacking(self) -> int:
        """How much is missing: columns absent from part 0, 1, 2 though they have groups for it, earlier parts first.

        Optional columns are left out.
        """
        count = len(self.wanted)
        possible = ((self.counts > 0).sum(axis=0) > np.arange(count)[:, None]) & ~self.optional
        missing = (possible & (self.groups_with == 0)).sum(axis=1)
        return int(missing @ (len(self.counts[0]) + 1) ** np.arange(count)[::-1])

    def can_spare(self, part: int) -> bool:
        """Whether a part may take an unassigned group, so that those which have none can still get one."""
        empty = self.groups_with[:, 0] == 0
        return bool(empty[part] or (self.parts == UNASSIGNED).sum() > empty.sum())

    def needed(self, group: int) -> bool:
        """Whether its part would lose a class, or its last group, without it."""
        alone = self.groups_with[self.parts[group]] == 1
        return bool((alone & (self.counts[group] > 0)).any())


def assign(
    counts: np.ndarray, fractions: tuple[float, ...], rng: np.random.Generator, *, optional: int = 0
) -> np.ndarray:
    """The part 0..P-1 of each group, from its counts (G, K); column 0 counts images, the others classes.

    Every part gets a group where there are as many groups as parts. As far as that leaves groups, a class goes to part
    0 first, then 1, then 2, so that one in fewer groups than parts is in the first parts alone. Classes that share
    groups can stand in each other's way: then the best of some attempts counts. The last `optional` columns get their
    shares too, but never keep a part from a class or a group. Deterministic in `rng`.
    """
    boards = []
    for _ in range(MAX_ATTEMPTS):
        boards.append(attempt(counts, np.asarray(fractions), rng, optional))
        if boards[-1].lacking == 0:
            break
    return min(boards, key=lambda board: board.lacking).parts


def attempt(counts: np.ndarray, fractions: np.ndarray, rng: np.random.Generator, optional: int) -> Board:
    """One complete assignment: reserve, fill greedily in random order, improve."""
    board = new_board(counts, fractions, optional)
    reserve(board, rng)
    order = rng.permutation(len(counts))
    for group in order:
        if board.parts[group] == UNASSIGNED:
            board.place(group, board.best_part(group))
    for _ in range(MAX_PASSES):
        if not improve(board, order):
            break
    return board


def new_board(counts: np.ndarray, fractions: np.ndarray, optional: int) -> Board:
    """A board with every group unassigned; columns without any count are dropped."""
    held = counts.sum(axis=0) > 0
    is_optional = np.arange(len(held)) >= len(held) - optional
    counts = counts[:, held].astype(float)
    totals = counts.sum(axis=0)
    return Board(
        counts=counts,
        wanted=np.outer(fractions, totals),
        parts=np.full(len(counts), UNASSIGNED),
        held=np.zeros((len(fractions), len(totals))),
        groups_with=np.zeros((len(fractions), len(totals)), dtype=int),
        scale=1 / totals**2,
        optional=is_optional[held],
    )


def reserve(board: Board, rng: np.random.Generator) -> None:
    """Give each part, in order, a group of each class, the class in the fewest groups first, optional columns last.

    Taken is the group whose count is nearest to the part's share, at random among equals.
    """
    spread = (board.counts > 0).sum(axis=0)
    for column in np.lexsort((spread, board.optional)):
        for part in range(len(board.wanted)):
            if board.groups_with[part, column] or not board.can_spare(part):
                continue
            free = rng.permutation(np.flatnonzero((board.parts == UNASSIGNED) & (board.counts[:, column] > 0)))
            if len(free) == 0:
                break
            distance = np.abs(board.counts[free, column] - board.wanted[part, column])
            board.place(int(free[np.argmin(distance)]), part)


def improve(board: Board, order: np.ndarray) -> bool:
    """Offer every group a better part once; say whether any moved. A group that its part needs stays."""
    moved = False
    for group in order:
        if board.needed(group):
            continue
        before = board.parts[group]
        board.remove(group)
        after = board.best_part(group)
        board.place(group, after)
        moved |= bool(after != before)
    return moved
