"""The law of a grammar by brute force: every placement walked, every sequence's probability summed.

It shares nothing with `seqgra.law` but the resolved grammar. Probabilities are tensors with one axis a
letter of the sequence, so that hidden letters are summed out by summing over axes.
"""

import itertools
import math

import numpy as np

from seqgra.alphabet import ALPHABETS


def law_table(law):
    """Return value -> chance of a resolved integer law."""
    if isinstance(law, tuple):
        return {value: 1 / (law[1] - law[0] + 1) for value in range(law[0], law[1] + 1)}
    total = sum(law.values())
    return {value: weight / total for value, weight in law.items()}


def among(law, most):
    """Return a law among the values up to `most`; its lowest where none is."""
    fits = {value: weight for value, weight in law_table(law).items() if value <= most}
    fits = fits or {min(law_table(law)): 1.0}
    return {value: weight / sum(fits.values()) for value, weight in fits.items()}


def site_tensor(grammar, name):
    """Return the probability of every word of an element: shape (A,) * W."""
    letters = ALPHABETS[grammar.alphabet].letters
    element, size = grammar.elements[name], len(letters)
    tensor = np.zeros((size,) * element.width)
    if element.kmers:
        for kmer, weight in element.kmers.items():
            tensor[tuple(letters.index(c) for c in kmer)] += weight
        return tensor
    matrix, background = np.array(element.matrix), grammar.letter_distribution()
    for word in itertools.product(range(size), repeat=element.width):
        tensor[word] = math.prod(matrix[w, letter] for w, letter in enumerate(word))
    if element.affinity:
        tensor *= band(matrix, background, tensor, element.affinity)
        tensor /= tensor.sum()
    return tensor


def band(matrix, background, tensor, affinity):
    """Tell which words score between two quantiles; scores in 1/128 bit as documented."""
    scores = np.zeros(tensor.shape, int)
    with np.errstate(divide="ignore"):
        steps = np.log2(matrix / background) * 128
    for word in np.ndindex(*tensor.shape):
        if tensor[word]:
            scores[word] = sum(round(steps[w, letter]) for w, letter in enumerate(word))
    values = sorted(set(scores[tensor > 0].tolist()))
    sums = np.cumsum([tensor[(scores == value) & (tensor > 0)].sum() for value in values])
    low = next(v for v, s in zip(values, sums, strict=True) if s > affinity.min + 1e-12)
    high = next(v for v, s in zip(values, sums, strict=True) if s >= affinity.max - 1e-12)
    return (scores >= low) & (scores <= (high if affinity.max < 1 else values[-1]))


def ground_tensors(background, grammar, length):
    """Return (chance, probability of every sequence) of the laws that a background mixes."""
    alphabet = ALPHABETS[grammar.alphabet]
    size = len(alphabet.letters)
    if background.letters:
        return [(1.0, product([[background.letters[c] for c in alphabet.letters]] * length))]
    if background.gc:
        law = background.gc.law()
        total = sum(law.values())
        rows = {gc: [(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2] for gc in law}
        return [(weight / total, product([rows[gc]] * length)) for gc, weight in law.items()]
    chain = background.markov
    tensor = np.zeros((size,) * length)
    for word in np.ndindex(*tensor.shape):
        start = word[: chain.order]
        index = 0
        for letter in start:
            index = index * size + letter
        share = size ** (chain.order - len(start))
        p = sum(chain.initial[index * share : (index + 1) * share])
        for i in range(chain.order, length):
            context = 0
            for letter in word[i - chain.order : i]:
                context = context * size + letter
            p *= chain.table[context][word[i]]
        tensor[word] = p
    return [(1.0, tensor)]


def product(rows):
    """Return the outer product of letter laws."""
    tensor = np.ones(())
    for row in rows:
        tensor = tensor[..., None] * np.array(row)
    return tensor


def rules_of(grammar, shown, set_name):
    """Return the factors of the law of rules: lists of (chance, rule or None)."""
    factors = []
    for name, condition in grammar.conditions.items():
        if name not in shown:
            continue
        chances = [(rule.probability, rule) for rule in condition.rules]
        if condition.mode == "mutually-exclusive":
            factors.append([*chances, (1 - sum(p for p, _ in chances), None)])
        else:
            factors += [[(p, rule), (1 - p, None)] for p, rule in chances]
    factors += [[(r.probability, r), (1 - r.probability, None)] for r in grammar.common.rules]
    for confounder in grammar.confounders:
        given = getattr(confounder, set_name)
        given = confounder.probability if given is None else given
        p = given
        if isinstance(given, dict):
            p = max(given.get(name, 0.0) for name in (shown or ("none",)))
        factors.append([(p, confounder), (1 - p, None)])
    return factors


def drawn_once(rule):
    """Yield (chance, list of blocks) of a rule that applies; a block: slots, edges, what is drawn once."""
    if rule is None:
        yield 1.0, []
        return
    for copies, chance in law_table(rule.copies).items():
        for parts in itertools.product(list(one_copy(rule)), repeat=copies):
            yield chance * math.prod(p for p, _ in parts), [b for _, part in parts for b in part]


def one_copy(rule):
    blocks = list(components(rule))
    subsets = [(1.0, blocks)]
    if rule.k_of is not None:
        subsets = []
        for k, chance in law_table(rule.k_of).items():
            found = list(itertools.combinations(blocks, k))
            subsets += [(chance / len(found), chosen) for chosen in found]
    for chance, chosen in subsets:
        for variants in itertools.product(*(list(block_variants(rule, *b)) for b in chosen)):
            yield chance * math.prod(p for p, _ in variants), [block for _, block in variants]


def components(rule):
    """Return (slots, spacings) of the blocks of a rule."""
    left = dict.fromkeys(rule.elements)
    while left:
        seen = [next(iter(left))]
        for _ in rule.spacing:
            for spacing in rule.spacing:
                if set(spacing.elements) & set(seen):
                    seen += [name for name in spacing.elements if name not in seen]
        for name in seen:
            left.pop(name)
        yield tuple(seen), tuple(s for s in rule.spacing if s.elements[0] in seen)


def block_variants(rule, slots, spacings):
    choices = []
    for slot in slots:
        total = sum(rule.elements[slot].values())
        choices.append([(name, w / total) for name, w in rule.elements[slot].items()])
    swaps = [[False] if s.order == "in-order" else [False, True] for s in spacings]
    reverses = {"+": [False], "-": [True], "random": [False, True]}[rule.strand]
    for elements in itertools.product(*choices):
        for swapped in itertools.product(*swaps):
            for reverse in reverses:
                p = math.prod(w for _, w in elements) / math.prod(map(len, swaps)) / len(reverses)
                names = {slot: name for slot, (name, _) in zip(slots, elements, strict=True)}
                for q, strands in strands_of(rule, slots, spacings, swapped, reverse):
                    yield p * q, (rule, slots, spacings, names, swapped, reverse, strands)


def strands_of(rule, slots, spacings, swapped, reverse):
    if rule.orientation == "any":
        for strands in itertools.product((1, -1), repeat=len(slots)):
            yield 0.5 ** len(slots), dict(zip(slots, strands, strict=True))
    elif rule.orientation == "same":
        yield 1.0, dict.fromkeys(slots, -1 if reverse else 1)
    else:
        first, second = spacings[0].elements
        left, right = (first, second) if swapped[0] == reverse else (second, first)
        inward = 1 if rule.orientation == "convergent" else -1
        yield 1.0, {left: inward, right: -inward}


def placements(grammar, block, length):
    """Yield (chance, {slot: start}) of a block; chances sum to less than 1 where it may not fit."""
    rule, slots, spacings, names, swapped, reverse, _ = block
    width = {slot: grammar.elements[names[slot]].width for slot in slots}
    room = length
    if not isinstance(rule.position, str):
        room = length - (min(law_table(rule.position)) - 1)
    gap_laws = [
        among(s.gap, room - sum(width[name] for name in s.elements)).items() for s in spacings
    ]
    for gaps in itertools.product(*gap_laws):
        at = {slots[0]: 0}
        while len(at) < len(slots):
            for spacing, (gap, _), swap in zip(spacings, gaps, swapped, strict=True):
                left, right = spacing.elements[::-1] if swap else spacing.elements
                if left in at and right not in at:
                    at[right] = at[left] + width[left] + gap
                elif right in at and left not in at:
                    at[left] = at[right] - gap - width[left]
        lowest = min(at.values())
        span = max(at[s] + width[s] for s in slots) - lowest
        if span > room:
            continue
        for start, p in start_law(rule, length, span).items():
            p *= math.prod(chance for _, chance in gaps)
            there = {s: at[s] - lowest for s in slots}
            if reverse:
                there = {s: span - there[s] - width[s] for s in slots}
            yield p, {s: start + there[s] for s in slots}


def start_law(rule, length, span):
    if rule.position == "random":
        return dict.fromkeys(range(length - span + 1), 1 / (length - span + 1))
    if rule.position == "start":
        return {0: 1.0}
    if rule.position == "center":
        return {(length - span) // 2: 1.0}
    if rule.position == "end":
        return {length - span: 1.0}
    return {v - 1: p for v, p in among(rule.position, length - span + 1).items()}


def clashes(grammar, blocks, starts):
    """Tell whether two elements share a letter that no spacing ties."""
    placed = [
        (b, s, at, at + grammar.elements[block[3][s]].width)
        for b, (block, where) in enumerate(zip(blocks, starts, strict=True))
        for s, at in where.items()
    ]
    for (b, s, low, high), (c, t, low2, high2) in itertools.combinations(placed, 2):
        tied = b == c and any({s, t} == set(spacing.elements) for spacing in blocks[b][2])
        if low < high2 and low2 < high and not tied:
            return True
    return False


def shown_letters(grammar, blocks, starts, ground):
    """Return P(x | placement): each letter belongs to the last element written there, or the background."""
    length = ground.ndim
    writes = []
    for block, where in zip(blocks, starts, strict=True):
        _, slots, spacings, names, _, _, strands = block
        order = list(slots)
        for spacing in spacings:
            first, second = spacing.elements
            if spacing.shared == "first" and order.index(first) < order.index(second):
                order.remove(first)
                order.insert(order.index(second) + 1, first)
            if spacing.shared == "last" and order.index(second) < order.index(first):
                order.remove(second)
                order.insert(order.index(first) + 1, second)
        for number, slot in enumerate(order):
            tensor = site_tensor(grammar, names[slot])
            if strands[slot] < 0:
                flipped = tensor.transpose(tuple(range(tensor.ndim))[::-1])
                tensor = flipped[(slice(None, None, -1),) * tensor.ndim]
            writes.append((where[slot], tensor))
            for spacing in spacings:  # of which the other element is there already
                tied = set(spacing.elements)
                if spacing.shared == "product" and slot in tied <= set(order[: number + 1]):
                    pair = [(where[s], names[s], strands[s]) for s in spacing.elements]
                    writes += shared_columns(grammar, pair)
    owner = {}
    for number, (at, tensor) in enumerate(writes):
        owner |= {at + w: number for w in range(tensor.ndim)}
    total = ground.sum(axis=tuple(owner), keepdims=True) if owner else ground
    for number, (at, tensor) in enumerate(writes):
        hidden = tuple(w for w in range(tensor.ndim) if owner[at + w] != number)
        kept = tensor.sum(axis=hidden, keepdims=True)
        shape = [1] * length
        for w in range(tensor.ndim):
            shape[at + w] = kept.shape[w]
        total = total * kept.reshape(shape)
    return np.broadcast_to(total, ground.shape)


def shared_columns(grammar, pair):
    """Yield (place, letter law) of the columns that two elements (start, name, strand) share."""
    sides = []
    for at, name, strand in pair:
        letters = grammar.elements[name].letter_probabilities(ALPHABETS[grammar.alphabet].letters)
        letters = letters if strand > 0 else letters[::-1, ::-1]
        sides.append({at + w: row for w, row in enumerate(letters)})
    for column in set(sides[0]) & set(sides[1]):
        law = sides[0][column] * sides[1][column] / grammar.letter_distribution()
        yield column, law / law.sum()


def likelihood(grammar, shown, set_name, length):
    """Return p(x | conditions shown) of every sequence: shape (A,) * length."""
    own = grammar.background.by_condition or {}
    lenders = shown or (("none",) if "none" in own else tuple(grammar.conditions))
    total = 0.0
    for name in lenders:
        background = grammar.background.of(name, set_name)
        for chance, ground in ground_tensors(background, grammar, length):
            factors = rules_of(grammar, shown, set_name)
            for outcome in itertools.product(*factors):
                p = math.prod(q for q, _ in outcome)
                if p > 0:
                    rules = [list(drawn_once(rule)) for _, rule in outcome]
                    for parts in itertools.product(*rules):
                        q = p * math.prod(r for r, _ in parts) * chance / len(lenders)
                        blocks = [block for _, part in parts for block in part]
                        total = total + q * given_blocks(grammar, blocks, ground)
    return total


def given_blocks(grammar, blocks, ground):
    length = ground.ndim
    laws = [list(placements(grammar, block, length)) for block in blocks]
    found, mass = np.zeros(ground.shape), 0.0
    for joint in itertools.product(*laws):
        starts = [where for _, where in joint]
        if grammar.overlap == "forbid" and clashes(grammar, blocks, starts):
            continue
        p = math.prod(q for q, _ in joint)
        mass += p
        found += p * shown_letters(grammar, blocks, starts, ground)
    return found / mass
