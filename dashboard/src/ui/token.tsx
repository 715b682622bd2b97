// Asks for the token that a coordinator wants to see.
import { useState } from 'preact/hooks';
import { forgetToken, keepToken, token } from '../api/token';
import { t } from '../words/words';
import { Dialog } from './dialog';

export function TokenPrompt() {
  const [text, setText] = useState('');
  const enter = (event: Event) => {
    event.preventDefault();
    if (text.trim()) {
      keepToken(text);
      location.reload(); // Whatever was refused is asked again.
    }
  };
  return (
    <Dialog title={t('token.title')} onClose={() => undefined}>
      <form onSubmit={enter}>
        <p>{token() ? t('token.refused') : t('token.why')}</p>
        <label>{t('token.label')}
          <input type="password" name="token" autocomplete="off" autofocus value={text} onInput={(e) => setText(e.currentTarget.value)} /></label>
        <div class="row end"><button type="submit">{t('token.enter')}</button></div>
      </form>
    </Dialog>
  );
}

// Nothing while no token is kept.
export function ForgetToken() {
  if (!token()) {
    return null;
  }
  const forget = () => {
    forgetToken();
    location.reload();
  };
  return <button type="button" class="quiet" onClick={forget}>{t('token.forget')}</button>;
}
