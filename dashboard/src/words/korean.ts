import type { Catalogue } from './english';

export const korean: Catalogue = {
  'app.overview': '개요', 'app.transactions': '트랜잭션', 'app.incidents': '사고', 'app.participants': '참여자',
  'app.definitions': '정의', 'app.lost': '다시 연결하는 중입니다. 화면은 {at} 기준입니다.',
  'app.search': '트랜잭션, 페이지, 작업으로 이동', 'app.theme': '테마', 'app.language': '언어', 'app.zone.local': '현지 시각',
  'app.zone.utc': 'UTC', 'app.keys': '단축키', 'app.skip': '본문으로 건너뛰기',

  'token.title': '누구십니까?', 'token.why': '이 코디네이터는 토큰을 요구합니다. 토큰은 이 탭에만, 닫을 때까지 보관됩니다.',
  'token.refused': '토큰이 유효하지 않습니다: 알 수 없거나 취소되었거나 만료되었습니다. 다른 토큰을 입력하세요.',
  'token.label': '토큰', 'token.enter': '계속', 'token.forget': '토큰 지우기',

  'common.loading': '불러오는 중 ...', 'common.none': '없습니다.', 'common.error': '읽지 못했습니다: {why}',
  'common.again': '다시 시도', 'common.copy': '복사', 'common.copied': '복사됨', 'common.cancel': '닫기', 'common.reason': '이유',
  'common.reason.hint': '이력에 남습니다', 'common.show': '명령으로 보기', 'common.all': '전체', 'common.more': '더 보기',
  'common.clear': '지우기', 'common.raw': '원문', 'common.download': '내려받기', 'common.of': '{m} 중 {n}', 'common.yes': '예',
  'common.no': '아니요', 'common.ago': '{t} 전', 'common.in': '{t} 후', 'common.now': '지금',

  'status.ACTIVE': '진행 중', 'status.COMMITTING': '확정 중', 'status.COMMITTED': '확정됨', 'status.ABORTING': '되돌리는 중',
  'status.ABORTED': '되돌림', 'status.MIXED': '혼합', 'status.incident': '사람이 필요함', 'status.paused': '멈춤',

  'overview.person': '사람이 필요함', 'overview.person.none': '기다리는 일이 없습니다', 'overview.person.oldest': '가장 오래된 것 {t}',
  'overview.overdue': '지연', 'overview.overdue.none': '모두 제시간에 진행됩니다', 'overview.open': '열림', 'overview.throughput': '초당 종료', 'overview.took': '절반 {half} 이내, 95 % {most} 이내',
  'overview.rates': '시작, 확정, 되돌림 (초당, 이 페이지를 연 뒤)', 'overview.started': '시작', 'overview.troubled': '문제가 가장 많은 참여자',
  'overview.troubled.none': '모든 참여자가 응답합니다.', 'overview.store': '저장소', 'overview.store.ok': '제시간에 기록합니다',
  'overview.store.size': '{kept} 보관, 그중 {reusable} 재사용 가능, 로그 {log}, 디스크 여유 {disk}',
  'overview.store.lag': '가장 오래된 기록이 {t} 기다렸습니다', 'overview.notready': '준비되지 않음: {why}',
  'overview.stalled': '정체: 해야 할 일이 진행되지 않습니다. {why}', 'overview.first': '아직 트랜잭션이 없습니다. 첫 트랜잭션을 시작하세요:',

  'graph.alternative': '{m}가지 중 {n}번째',

  'list.status': '상태', 'list.mode': '방식', 'list.definition': '정의', 'list.label': '레이블', 'list.q': '시작 글자', 'list.since': '부터',
  'list.until': '까지', 'list.incident': '사람이 필요함', 'list.error': '오류 글', 'list.rare': '다른 필터',
  'list.code': '오류 코드', 'list.attempts.least': '최소 시도 횟수', 'list.unchanged': '이때부터 변화 없음', 'list.parent': '상위', 'list.gid': '트랜잭션', 'list.state': '상태',
  'list.words': '지금 하는 일', 'list.started': '시작', 'list.changed': '변경', 'list.attempts': '시도', 'list.newer': '새 항목 {n}개',
  'list.none': '맞는 트랜잭션이 없습니다.', 'list.none.hint': '필터를 줄이면 더 보입니다.', 'list.selected': '표시된 {m}개 중 {n}개 선택',
  'list.views': '저장한 보기', 'list.save': '이 보기 저장', 'list.save.name': '이름', 'list.end': '모두 {n}개입니다.',

  'txn.input': '입력', 'txn.output': '출력', 'txn.labels': '레이블', 'txn.version': '버전 {n}', 'txn.parent': '{gid}의 일부',
  'txn.children': '하위 트랜잭션', 'txn.deadline': '기한', 'txn.revision': '리비전', 'txn.graph': '단계', 'txn.timeline': '시간순',
  'txn.branch': '브랜치', 'txn.history': '이력', 'txn.forward': '진행', 'txn.undo': '되돌림',
  'txn.choose': '단계를 고르면 왜 기다리는지, 무엇을 묻고 답했는지 보입니다.', 'txn.sent': '보내는 내용', 'txn.edited': '운영자가 고침', 'txn.why': '기다리는 이유', 'txn.attempt': '{n}번째 시도',
  'txn.attempt.of': '{m}번 중 {n}번째 시도', 'txn.key': '키', 'txn.item': '항목', 'txn.failure': '마지막 실패',
  'txn.maybe': '응답 없이 끝난 호출이 있습니다. 그래도 실행되었을 수 있습니다.', 'txn.items': '{all} 중 {done} 완료',
  'txn.items.stuck': '{n}개 멈춤', 'txn.gone': '그런 트랜잭션이 없습니다. 끝난 것은 보존 기간까지만 남습니다.', 'txn.alike': '같은 것을 시작',
  'txn.import': '내보낸 이력 읽기', 'import.file': '트랜잭션 페이지에서 내려받은 파일', 'import.wrong': '여기서 내려받은 이력이 아닙니다.',
  'txn.imported': '파일에서 읽었습니다. 실시간이 아닙니다.', 'txn.duration': '{t} 걸림', 'txn.quiet': '{t} 동안 변화 없음',

  'say.committed': '{t} 만에 확정되었습니다.', 'say.aborted': '{t} 만에 되돌렸습니다: {why}', 'say.aborted.short': '되돌렸습니다.',
  'say.mixed': '운영자가 {outcome}(으)로 정했습니다. 되돌리거나 마친 것은 없습니다.', 'say.paused': '운영자가 멈췄습니다. 재개할 때까지 움직이지 않습니다.',
  'say.incident': '{t} 전부터 사람이 필요합니다: {participant}의 {branch}이(가) 성공하지 못합니다: {error}', 'say.incident.short': '사람이 필요합니다: {error}',
  'say.undoing': '{t} 전부터 되돌리는 중입니다. 이유: {why} {rest}', 'say.active': '{rest}', 'say.committing': '확정하기로 했고 앞으로만 갑니다. {rest}',
  'say.driven': '클라이언트가 작업합니다. {at}까지 확정하지 않으면 되돌립니다.', 'say.working': '작업 중: {what}.',
  'say.calling': '{branch}을(를) 위해 {participant}을(를) 호출합니다.', 'say.backoff': '{branch}: {in} {participant}을(를) 다시 시도합니다 ({attempt}): {error}',
  'say.pending': '{participant}이(가) {branch}을(를) 끝내기를 기다립니다.', 'say.signal': '신호 {signal}을(를) 기다립니다.',
  'say.signal.until': '{at}까지 신호 {signal}을(를) 기다립니다.', 'say.timer': '{at}까지 기다립니다.', 'say.child': '하위 트랜잭션 {gid}을(를) 기다립니다.',
  'say.breaker': '{participant}을(를) 기다립니다. 차단기가 열려 있어 {branch}을(를) 보내지 않습니다.', 'say.concurrency': '{branch}: {participant}의 빈 호출을 기다립니다.',
  'say.resting': '{branch}: 쉬어 달라고 한 {participant}을(를) 기다립니다.', 'say.rate': '{branch}: {participant}의 속도 제한을 기다립니다.', 'say.client': '클라이언트를 기다립니다.', 'say.error': '마지막 실패: {error}',

  'cause.refused': '{branch}이(가) 거절되었습니다.', 'cause.gave-up': '{branch}이(가) 주어진 시도 안에 성공하지 못했습니다.', 'cause.cancelled': '누군가 취소했습니다.',
  'cause.deadline': '기한이 지났습니다.', 'cause.expression': '이 데이터에서 식이 실패했습니다.', 'cause.expired': '예약을 더는 안전하게 확정할 수 없었습니다.',

  'blocked.predecessors': '앞선 단계가 있습니다', 'blocked.client': '클라이언트가 아직 확정하지 않았습니다', 'blocked.timer': '시각', 'blocked.signal': '신호',
  'blocked.child': '하위 트랜잭션', 'blocked.participant': '보류된 작업의 결과', 'blocked.breaker': '참여자의 차단기가 열려 있습니다',
  'blocked.concurrency': '참여자에 대한 호출이 한도에 찼습니다', 'blocked.rate': '참여자의 속도 제한', 'blocked.backoff': '참여자가 쉬어 달라고 했습니다', 'blocked.paused': '운영자가 멈췄습니다',
  'blocked.operator': '운영자: 재시도, 건너뛰기, 강제 종료', 'blocked.until': '다음 시도 {in}',

  'phase.never': '시작되지 않음', 'phase.blocked': '차례를 기다림', 'phase.skipped': '건너뜀', 'phase.enlisted': '클라이언트가 작업', 'phase.waiting': '대기', 'phase.forward': '호출 중',
  'phase.forward-backoff': '다시 시도', 'phase.forward-pending': '보류', 'phase.done': '완료', 'phase.read-only': '읽기 전용', 'phase.refused': '거절됨',
  'phase.gave-up': '포기함', 'phase.forward-stuck': '멈춤', 'phase.undo': '되돌리는 중', 'phase.undo-backoff': '다시 되돌림', 'phase.undo-pending': '되돌림 보류',
  'phase.undone': '되돌림', 'phase.undo-stuck': '되돌림 멈춤', 'phase.finish': '마무리 중', 'phase.finish-backoff': '다시 마무리',
  'phase.finish-pending': '마무리 보류', 'phase.finished': '마무리됨', 'phase.finish-stuck': '마무리 멈춤',

  'action.retry': '지금 재시도', 'action.retry.does': '새 시도 예산으로 곧바로 다시 호출합니다. 키는 같습니다.', 'action.edit': '고쳐서 다시 시도',
  'action.edit.does': '아래에 적은 내용을 바로 보냅니다. 키는 그대로이므로, 앞선 호출이 실제로 이루어졌더라도 두 번 되지 않으며 처음 보낸 내용이 남습니다.',
  'action.edit.body': '보내는 내용', 'action.edit.attempts': '앞으로의 시도 횟수', 'action.edit.same': '그대로',
  'action.pause': '멈춤',
  'action.pause.does': '더 보내지 않습니다. 나간 호출은 기다리며 기한은 계속 흐릅니다.', 'action.resume': '재개', 'action.resume.does': '해야 할 것을 곧바로 보냅니다.',
  'action.cancel': '취소', 'action.cancel.does': '제대로 되돌립니다. 실행되었을 수 있는 모든 단계를 역순으로 보상합니다.', 'action.skip': '건너뛰기',
  'action.skip.does': '{participant}에서 이 작업이 처리되었음을 보증합니다. 호출하지 않으며, 아래 내용을 뒤 단계가 읽습니다.', 'action.skip.output': '출력 JSON (비워도 됨)',
  'action.resolve': '강제 종료', 'action.resolve.does': '되돌리거나 마치지 않고 끝냅니다. 결과는 MIXED이며 참여자가 잡은 것은 그대로 남습니다. 되돌리려면 취소하세요.',
  'action.resolve.type': '계속하려면 트랜잭션 이름을 입력하세요', 'action.resolve.outcome': '기록할 결과', 'action.signal': '신호 보내기', 'action.signal.name': '이름',
  'action.signal.payload': '내용 JSON (비워도 됨)', 'action.signal.does': '이 신호를 기다리는 단계가 계속됩니다.', 'action.do': '{action}: {n}개',
  'action.moved': '창을 연 뒤 바뀌었습니다: 리비전 {from}, 지금 {to}. 다시 확인하세요.', 'action.seen': '확인했습니다', 'action.done': '{ok}개 완료.', 'action.failed': '{n}개 실패: {why}', 'action.stop': '중지',
  'action.preview': '트랜잭션 {n}개. 선택한 것 중 {skipped}개는 이 작업을 할 상태가 아닙니다.',

  'bulk.title': '일치하는 모두 ...', 'bulk.all': '일괄 작업', 'bulk.none': '아직 일괄 작업이 없습니다.',
  'bulk.none.hint': '트랜잭션을 거른 뒤 일치하는 모두에 작업하세요. 이 페이지를 닫거나 다시 시작해도 계속됩니다.', 'bulk.verb': '작업',
  'bulk.preview': '열린 트랜잭션 {n}개에 하나씩 작업합니다.', 'bulk.begin': '{action}: {n}', 'bulk.running': '진행 중', 'bulk.stopped': '멈춤',
  'bulk.finished': '끝남', 'bulk.done': '{all}개 중 {done}개 완료, {refused}개 거절.',

  'incidents.title': '사람을 기다리는 것', 'incidents.none': '사람을 기다리는 것이 없습니다.',
  'incidents.none.hint': '되돌아갈 수 없는 곳에서 시도를 다 쓴 단계가 여기에 오고, 누군가 처리할 때까지 남습니다.', 'incidents.group': '{participant}에서 {n}개',
  'incidents.oldest': '가장 오래된 것 {t}', 'incidents.one': '하나 먼저 재시도', 'incidents.every': '{n}개 모두 재시도', 'incidents.would': '재시도하면 {participant}을(를) {n}번 호출합니다.',
  'incidents.breaker': '차단기 {state}: 닫힐 때까지 호출이 기다립니다.',

  'participants.address': '주소', 'participants.name': '참여자', 'participants.breaker': '차단기', 'participants.breaker.closed': '응답함',
  'participants.breaker.open': '응답 없음, 보류', 'participants.breaker.half-open': '시험 중', 'participants.out': '나간 호출', 'participants.waiting': '대기', 'participants.latency': '지연', 'participants.most': '95 % 이내', 'participants.most.about': '코디네이터 시작 이후 모든 호출, 실패 포함',
  'participants.errors': '실패', 'participants.calls': '호출', 'participants.blocked': '보류 이유', 'participants.none': '아직 호출한 참여자가 없습니다.',

  'definitions.none': '정의가 없습니다. 하나 등록하세요:', 'definitions.name': '이름', 'definitions.version': '버전', 'definitions.created': '등록', 'definitions.versions': '버전',
  'definitions.source': '원문', 'definitions.diff': '버전 {n}와 비교', 'definitions.same': '단계가 같습니다.', 'definitions.start': '트랜잭션 시작', 'definitions.input': '입력',
  'definitions.input.json': '입력 JSON', 'definitions.gid': '이름 (gid, 비워도 됨)', 'definitions.started': '시작됨: {gid}', 'definitions.validate': '정의 검사',
  'definitions.valid': '올바릅니다.', 'definitions.invalid': '잘못 {n}개', 'definitions.inline': '제출과 함께 온 것도 보기', 'definitions.runs': '실행 중인 것',

  'keys.search': '검색, 이동', 'keys.rows': '다음, 이전 줄', 'keys.open': '열기', 'keys.back': '뒤로, 닫기', 'keys.retry': '보이는 것 재시도', 'keys.help': '이 목록',
};
