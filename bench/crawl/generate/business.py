"""Invents a business and its menus, and writes them down as `sample_audio/` does."""

import json
import random

import wording as w

VOICES = ("slt", "rms", "awb")
WORDS = {"1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six",
         "7": "seven", "8": "eight", "9": "nine", "0": "zero", "*": "star", "#": "pound"}
# What is special about a menu, in turn, so that twenty have everything; depth is 1 to 3.
SHAPES = (
    (2, "person"), (1, "twice"), (2, "news", "back"), (1, "pause", "deaf"), (3, "back"),
    (2, "language", "queue"), (1, "dead", "voicemail"), (2, "wait", "person"),
    (1, "input", "early"), (2, "short", "again"), (1, "not_in_service", "person"),
    (3, "deaf", "up"), (2, "news", "queue"), (1, "language", "twice"), (2, "pause", "wait"),
    (1, "short", "input", "news"), (2, "dead", "again"), (3, "voicemail", "back"),
    (2, "early", "up", "queue"), (1, "wait", "pause", "person"),
)


def generate(seed, index):
    """The business with this index of this seed, as a dictionary."""
    return Maker(random.Random(f"{seed}/{index}"), index).make()


class Maker:
    def __init__(self, dice, index):
        self.dice = dice
        self.index = index
        self.depth, *shape = SHAPES[index % len(SHAPES)]
        self.shape = set(shape)
        self.order = shape
        if "not_in_service" in shape:
            self.shape.add("announcement")
        self.trade = w.TRADES[index % len(w.TRADES)]
        self.menus = {}
        self.used = set()
        self.leaf_kinds = []
        self.operator = dice.choice(w.OPERATOR_OR_WAIT if "wait" in shape else w.OPERATOR)
        self.has_operator = bool({"wait", "person"} & self.shape) or dice.random() < 0.3

    def make(self):
        dice = self.dice
        name = self.trade.names[(self.index // len(w.TRADES)) % len(self.trade.names)]
        head = dice.choice(w.GREETINGS).format(name=name)
        if "news" in self.shape:
            head += " " + dice.choice(self.trade.news)
        head += " " + dice.choice(w.ASIDES)
        first = "main"
        if "language" in self.shape:
            first, head = "language", ""
            self.language(dice.choice(w.GREETINGS).format(name=name))
        self.menu("main", None, self.trade.topics, self.depth, head.strip(), "main")
        made = {
            "name": name,
            "number": f"+1202555{120 + self.index:04}",
            "voice": VOICES[self.index % len(VOICES)],
            "ring_ms": dice.randrange(300, 1500, 100),
            "first": first,
            "invalid": {"say": dice.choice(w.INVALIDS)},
            "goodbye": {"say": dice.choice(w.GOODBYES)},
            "menus": self.menus,
            "shape": [f"depth {self.depth}", *self.order],
        }
        if "early" in self.shape:
            made["early"] = {"say": dice.choice(w.EARLY)}
        if "person" in self.shape:
            made["hello"] = {"say": dice.choice(w.PEOPLE), "voice": VOICES[(self.index + 1) % 3]}
            self.menus["operator"]["then"] = "person"
        return made

    def language(self, greeting):
        english, spanish = self.dice.choice(w.LANGUAGE)
        keys = self.dice.choice((("1", "2"), ("1", "9"), ("5", "8")))
        self.menus["language"] = {
            "kind": "language",
            "say": " ".join((greeting, english.format(key=WORDS[keys[0]]),
                             spanish.format(key=WORDS[keys[1]]))),
            "options": [option(keys[0], label_of(english), "main"),
                        option(keys[1], label_of(spanish), "spanish")],
        }
        self.menus["spanish"] = {"kind": "announcement", "voice": "spanish",
                                 "say": self.dice.choice(w.SPANISH)}

    def menu(self, name, topic, topics, depth, head, above):
        """A menu and what is below it; `above` is the menu that leads here."""
        dice = self.dice
        count = min(len(topics), dice.randint(3, 5) if name == "main" else 3)
        chosen = dice.sample(topics, count)
        # The way to the full depth is always among them.
        deep = max(topics, key=height)
        if depth > 1 and deep not in chosen:
            chosen[0] = deep
        keys = self.keys_for(count)
        menu = self.menus[name] = {"kind": "menu"}
        sentences, options = self.options(chosen, keys)
        dead = "dead" in self.shape and name == "main"
        for below, offered in zip(chosen, options):
            is_dead = dead and offered is options[-1]
            offered["to"] = "invalid entry" if is_dead else self.below(below, depth, name)
        for templates, wanted, to in ((w.UP, "up", above), (w.BACK, "back", "main"),
                                      (w.AGAIN, "again", name)):
            if wanted in self.shape and (name != "main" or wanted == "again"):
                self.extra(dice.choice(templates), "9*#", to, sentences, options)
        if self.has_operator and (name == "main" or dice.random() < 0.4):
            self.extra(self.operator, "0", self.operator_menu(), sentences, options)
        if "pause" in self.shape and name == "main":
            sentences.insert(len(chosen) // 2 + 1, f"[{dice.choice((1.8, 2.4, 3.0))} s]")
        if "twice" in self.shape and name == "main":
            sentences += [dice.choice(w.TWICE), *sentences]
        if topic:
            head = dice.choice(w.SUB_HEADS).format(noun=topic.noun, Noun=upper(topic.noun))
        menu["say"] = " ".join(part for part in (head, *sentences) if part)
        menu["options"] = options
        if "deaf" in self.shape:
            menu["barge_in"] = False
        if "wait" in self.shape and name == "main":
            menu |= {"wait_ms": dice.choice((6000, 8000)), "repeats": 0, "no_input": "operator"}

    def keys_for(self, count):
        if self.dice.random() < 0.7:
            return "12345678"[:count]
        return sorted(self.dice.sample("12345678", count))

    def options(self, chosen, keys):
        """The sentences that offer these topics, and the options without where they lead."""
        dice = self.dice
        if "short" in self.shape:
            sentences = [(w.SHORT_FIRST if i == 0 else w.SHORT_NEXT)
                         .format(noun=topic.noun, key=WORDS[key])
                         for i, (topic, key) in enumerate(zip(chosen, keys))]
            sentences[-1] = sentences[-1].rstrip(";") + "."
            return sentences, [option(k, t.noun, "") for t, k in zip(chosen, keys)]
        things, deeds, cases = (dice.choice(t) for t in (w.THINGS, w.DEEDS, w.CASES))
        sentences, options = [], []
        for topic, key in zip(chosen, keys):
            kind = dice.random()
            if topic.case and kind < 0.3:
                template, label = cases, topic.case
            elif kind < 0.65:
                template, label = things, topic.noun
            else:
                template, label = deeds, topic.deed
            sentences.append(template.format(noun=topic.noun, Noun=upper(topic.noun),
                                             deed=topic.deed, case=topic.case, key=WORDS[key]))
            options.append(option(key, label, ""))
        return sentences, options

    def extra(self, offered, keys, to, sentences, options):
        taken = {each["keys"] for each in options}
        key = next(key for key in keys if key not in taken)
        words, label = (part.format(key=WORDS[key], staff=self.trade.staff) for part in offered)
        sentences.append(words)
        options.append(option(key, label, to))

    def below(self, topic, depth, above):
        """The menu or the leaf behind a topic."""
        name = "_".join("".join(c if c.isalnum() else " " for c in topic.noun).split())
        if depth > 1 and topic.below:
            self.menu(name, topic, topic.below, depth - 1, "", above)
        else:
            self.leaf(name, topic)
        return name

    def leaf(self, name, topic):
        if not self.leaf_kinds:
            self.leaf_kinds = ["announcement", "input", "transfer", "queue", "voicemail"]
            self.dice.shuffle(self.leaf_kinds)
            # What this business is there to show comes first.
            for kind in ("voicemail", "queue", "input", "announcement"):
                if kind in self.shape:
                    self.leaf_kinds.remove(kind)
                    self.leaf_kinds.append(kind)
        kind = self.leaf_kinds.pop()
        texts = {"announcement": w.ANNOUNCEMENTS, "input": w.INPUTS, "transfer": w.TRANSFERS,
                 "queue": w.QUEUES, "voicemail": w.VOICEMAILS}[kind]
        leaf = self.menus[name] = {"kind": kind, "say": self.fresh(texts, topic)}
        if "not_in_service" in self.shape and kind == "announcement":
            self.shape.discard("not_in_service")
            leaf |= {"say": w.NOT_IN_SERVICE, "sit": True}

    def operator_menu(self):
        if "operator" not in self.menus:
            kind, texts = self.dice.choice((("transfer", w.TRANSFERS), ("transfer", w.TRANSFERS),
                                            ("queue", w.QUEUES)))
            if "person" in self.shape:
                kind, texts = "transfer", w.TRANSFERS
            topic = w.Topic("the front desk", "talk to us")
            self.menus["operator"] = {"kind": kind, "say": self.fresh(texts, topic)}
        return "operator"

    def fresh(self, texts, topic):
        """Words that this business has not said yet: prompts with the same words are one."""
        while True:
            text = self.dice.choice(texts).format(
                noun=topic.noun, staff=self.trade.staff, fact=self.dice.choice(self.trade.facts),
                number=self.dice.choice(self.trade.numbers))
            if text not in self.used:
                self.used.add(text)
                return text


def height(topic):
    return 1 + max((height(below) for below in topic.below), default=0)


def option(key, label, to):
    return {"keys": key, "label": label, "to": to}


def label_of(template):
    """The label in "For English, press {key}." and "Press {key} for English."."""
    words = template.replace("Press {key} ", "").replace(", press {key}", "").rstrip(".")
    return words.split(" ", 1)[1]


def upper(text):
    return text[0].upper() + text[1:]


def description(made):
    """The TOML file of a business."""
    lines = [f"# Made by bench/crawl/generate: {', '.join(made['shape'])}."]
    for key in ("name", "number", "voice", "ring_ms", "first"):
        lines.append(f"{key} = {value(made[key])}")
    for key in ("early", "invalid", "goodbye", "hello"):
        if key in made:
            lines.append(f"{key} = {value(made[key])}")
    for name, menu in made["menus"].items():
        lines.append(f"\n[menu.{name}]")
        lines += [f"{key} = {value(entry)}" for key, entry in menu.items() if key != "options"]
        if "options" in menu:
            lines += ["options = [", *(f"    {value(o)}," for o in menu["options"]), "]"]
    return "\n".join(lines) + "\n"


def value(thing):
    if isinstance(thing, dict):
        return "{ " + ", ".join(f"{k} = {value(v)}" for k, v in thing.items()) + " }"
    # A TOML string, number or boolean is written as in JSON.
    return json.dumps(thing, ensure_ascii=False)
