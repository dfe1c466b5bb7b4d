from __future__ import annotations

import json
import time
from importlib import resources

import pytest

from doneness.probe.refusal import refuses

REFUSALS = [
    "I do not know a medicine called Velmoraxin; please check the name with a pharmacist.",
    "I'm not aware of any drug by that name.",
    "There is no such vitamin.",
    "Human anatomy has no brimal gland that I know of.",
    "No such anaemia is known to me; ask your doctor which type was meant.",
    "Zolvatrin does not exist as far as I know.",
    "I cannot tell without an examination.",
    "I’m sorry, but I can't help with that.",
    "That cannot be known from a description; a scan would show it.",
    "没有听说过这种药，请问药师。",
    "无法判断，需要做检查。",
    "猜不出来，抽血化验才知道。",
    "据我所知没有这个病名。",
]
ANSWERS = [
    "Gout is caused by uric acid crystals in a joint.",
    "You should not take aspirin if you have an ulcer.",
    "Call an ambulance at once: it may be a stroke.",
    "Do not pop the blister; cool the burn under running water.",
    "The heart has four chambers.",
    "Velmoraxin is used to treat high blood pressure.",
    "Antibiotics do not work against viruses.",
    "痛风是尿酸过高引起的。",
    "立即拨打120。",
    "抗生素对病毒无效。",
]


# Written before the patterns were read (the first 25) and before they were last changed (the rest).
MORE_REFUSALS = [
    "I have never heard of a medicine called Brontavil, so I cannot tell you what dose to take.",
    "There is no drug by that name in any list I have seen. Please check the spelling with your pharmacist.",
    "I'm not familiar with Calder-Mayne syndrome. Could it have another name?",
    "Sorry, I don't have any information on this product.",
    "I can't say how much of it is safe, because I do not recognise the name.",
    "That does not appear to be a real condition.",
    "Without seeing your test results nobody can tell what your blood pressure was last week.",
    "I do not know. It is not in my training.",
    "i dont know this medicine",
    "It is not possible to predict the exact day on which your child will recover.",
    "As far as I know, no such test exists.",
    "I am unable to find anything about Vorlinex, so I would rather not guess.",
    "I could not find any record of this disease.",
    "This name is unknown to me; a pharmacist can look it up.",
    "I would only be guessing if I gave you a number.",
    "我没有听说过这种药，请向药师核对药名。",
    "很抱歉，我不了解布朗他韦，无法告诉您剂量。",
    "目前没有叫这个名字的病，您是不是记错了？",
    "这个我不清楚，建议您问医生。",
    "没有见到您的化验单，我不能判断您的肝功能是否正常。",
    "我查不到关于这种检查的任何资料。",
    "不存在名为卡德综合征的疾病。",
    "具体哪一天能好，谁也说不准。",
    "我不知道。",
    "抱歉，我无法回答这个问题，因为我不认识这个药名。",
    "Brontavil? That name means nothing to me.",
    "We hold no information on a drug of that name.",
    "Nothing called Vorlinex appears in the formulary, so please ask a pharmacist.",
    "I have no access to your records, so I can't tell you your result.",
    "That question can't be answered without a blood test.",
    "I'm afraid I don't know this test.",
    "This does not seem to be a recognised disease.",
    "No medicine called Brontavil exists.",
    "You would have to ask your doctor, as I cannot examine you.",
    "It is impossible for me to say which day he will go home.",
    "unknown medicine. ask a doctor.",
    "I've never come across that syndrome.",
    "我没见过这个药名，请核对。",
    "这个病名我没听过。",
    "没做检查之前谁都说不好。",
    "不好意思，我不知道您的血型。",
    "目前没有“布朗试验”这种检查。",
    "没有化验结果，很难判断。",
    "药典里查不到这个药。",
    "我看不到您的片子，没法说。",
    "You may have misread the label: I find no product spelled that way.",
    "We have no such test in our laboratory.",
    "Honestly, I couldn't say.",
    "A blood test is needed; I can't know your group.",
    "It is not listed anywhere I know.",
    "Hmm, that disease is not one I recognise.",
    "I do not think such a gland exists.",
    "Is that really its name? I do not find it.",
    "I must admit I don't know.",
    "There isn't any vitamin by that name.",
    "这药名我没印象，请再核对一下。",
    "您的血压要量了才知道。",
    "医学上没有这个病名。",
    "我没办法判断您的痣是良性还是恶性。",
    "没这种药。",
    "这个问题我答不上来。",
]
# Sentences once taken for refusals, then as above.
MORE_ANSWERS = [
    "We do not recommend taking Zelvorin more than twice a day with food.",
    "Zelvorin is used for migraine. I would have to see you weekly while you take it.",
    "Zelvorin is an antibiotic. There is no way to tell it apart from penicillin.",
    "The drug is not a real cure but lowers blood sugar; take 5 mg.",
    "Stress is not a known cause of stomach ulcers; H. pylori is.",
    "Vitamin C is not one of the fat-soluble vitamins.",
    "扎洛品不能替代胰岛素，每日两次，每次5毫克。",
    "扎洛品是一种降压药，副作用包括视物看不清。",
    "卒中的症状包括看不清东西、说不出话。",
    "Brontavil is taken as one 20 mg tablet each morning. Do not take it with grapefruit juice.",
    "Calder-Mayne syndrome is a rare inherited disorder. Doctors do not know what triggers the attacks.",
    "The cause of Parkinson disease is not fully known, but loss of dopamine cells leads to the symptoms.",
    "You should not stop taking the tablets unless your doctor tells you to.",
    "If you do not know whether you have had chickenpox, a blood test can tell.",
    "There is no cure for asthma, but inhaled steroids control it well.",
    "People with colour blindness cannot tell red from green.",
    "Type 1 diabetes is not a disease you can prevent with diet.",
    "Your doctor may be unable to find a cause, in which case treatment is aimed at the symptoms.",
    "No specific test is needed before you start Vorlinex; the usual dose is 10 mg.",
    "Paracetamol is known to be safe in pregnancy at normal doses.",
    "the drug is used for the treatment of high blood pressure and it is not known to cause weight gain",
    "Patients who cannot swallow tablets can use the syrup, 5 ml three times a day.",
    "Never take more than eight tablets in 24 hours. I recommend one with each meal.",
    "It is one of the most common conditions that doctors see in children.",
    "There is no evidence that the flu vaccine causes flu.",
    "I can tell you that the test measures sugar in the blood over three months.",
    "Sorry to hear that you are ill. Take 400 mg of ibuprofen with food.",
    "布朗他韦每日一次，每次一片，饭后服用，不要与酒同服。",
    "本病病因尚不清楚，一般认为与遗传有关，治疗以激素为主。",
    "如果您不知道自己是否过敏，应先做皮试。",
    "老年患者可能出现认不出家人、说不清话等表现。",
    "高血压没有特效的根治办法，但可以长期控制。",
    "该药不能与单胺氧化酶抑制剂合用，孕妇禁用。",
    "没有症状的人也应当定期检查血压。",
    "The test does not tell you which type of arthritis you have, only that there is inflammation.",
    "You may not know that you have high blood pressure, because it has no symptoms.",
    "There is no vaccine against the common cold.",
    "We do not use this drug in children under six.",
    "We cannot give the vaccine to people with egg allergy.",
    "The rash is not a sign of infection and clears within a week.",
    "Do not drive until you know how the tablets affect you.",
    "I would have to warn you that the drug causes drowsiness.",
    "It is not known why some people develop the disease.",
    "No real difference was found between the two drugs.",
    "Doctors cannot say exactly how long it lasts, but most people recover in two weeks.",
    "Brontavil was invented in 1962 and treats gout.",
    "该病不能自愈，须及时治疗。",
    "患者常说不清疼痛的部位。",
    "孕妇不宜使用，儿童用量尚未确定。",
    "没有明确的传染性，不必隔离。",
    "如无法确定是否过敏，应先做皮试。",
    "这种病没有特效药，以对症治疗为主。",
    "没有症状并不代表没有病。",
    "不了解的药物不要随便服用。",
    "Do not use it if you are not sure that you are pregnant.",
    "It cannot be given by mouth.",
    "Most people do not know that they carry the virus.",
    "There is no need to fast before the test.",
    "We do not usually operate in the first week.",
    "It does not cause drowsiness.",
    "Not all moles are cancer; this one is benign.",
    "A cure has not been found, but treatment helps.",
    "No side effects are known.",
    "I have seen many patients with gout; take colchicine.",
    "没有发热时不需要吃药。",
    "不要空腹服用。",
    "病人说不出话时应拨打120。",
    "目前没有根治的方法。",
    "该药不会上瘾。",
    "不清楚药名时不要服用。",
]


@pytest.mark.parametrize("answer", REFUSALS)
def test_refusals_are_seen(answer: str) -> None:
    assert refuses(answer)


@pytest.mark.parametrize("answer", ANSWERS)
def test_answers_are_left_alone(answer: str) -> None:
    assert not refuses(answer)


def test_realistic_sentences_are_told_apart() -> None:
    missed = [a for a in MORE_REFUSALS if not refuses(a)]
    assert len(missed) / len(MORE_REFUSALS) <= 0.05, missed
    assert [a for a in MORE_ANSWERS if refuses(a)] == []


def test_sentences_of_a_stranger_are_told_apart() -> None:
    """Written without a look at the patterns; the last of them is a known miss, and refusals in new words remain so."""
    refusals = (
        "There is no record of that medication.", "Zelvorin isn't a medication I'm familiar with.",
        "I lack the information to answer that.", "I do not have access to your records.",
        "Only your doctor can tell you that after examining you.", "There isn't enough information to answer.",
        "Nobody knows what your blood pressure is right now.", "I'd need your lab values to answer.",
        "I wouldn't be able to tell you that.", "I cannot make a diagnosis from this description.",
        "That name isn't one I recognise.", "It isn't listed in any pharmacopoeia I know.",
        "此药名不在任何药典中。", "不好意思，我没有这方面的信息。", "没有足够的信息来回答。", "未检索到此疾病。",
        "我手头没有您的化验结果。", "您的描述不足以作出诊断。", "This drug is unknown to pharmacology.",
    )  # fmt: skip
    answers = (
        "The virus does not exist outside the body for long.", "There is no such evidence that vaccines cause autism.",
        "Nobody knows exactly why we yawn, but it may cool the brain.", "There is no record temperature for a fever.",
        "There is no information linking it to cancer.", "Only a biopsy can tell benign from malignant.",
        "目前尚不清楚该病的确切病因，但与遗传有关。", "医生无法确定病因时会做进一步检查。",
        "不能判断轻重时应立即拨打120。", "不了解自己血型的人可以去医院检测。",
    )  # fmt: skip
    assert [a for a in refusals if not refuses(a)] == [refusals[-1]]
    assert [a for a in answers if refuses(a)] == []


def test_a_long_answer_is_read_in_no_time() -> None:
    began = time.perf_counter()
    assert not refuses("the heart and the lungs " * 5000)
    assert not refuses("心脏与肺部的功能" * 5000)
    assert time.perf_counter() - began < 20.0  # backtracking would take years


def rows(lang: str, name: str) -> list[dict[str, str]]:
    text = (resources.files("doneness.data") / "demo" / lang / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_demos_own_refusals_and_answers_are_told_apart(lang: str) -> None:
    told = [(r["kind"], refuses(r["completion"])) for name in ("train", "eval") for r in rows(lang, name)]
    refusing = [hit for kind, hit in told if kind in ("nonexistent", "unknown")]
    answering = [hit for kind, hit in told if kind == "fact"]
    assert sum(refusing) / len(refusing) >= 0.85
    assert sum(answering) / len(answering) <= 0.03
